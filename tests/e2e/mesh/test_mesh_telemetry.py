"""What the proxies tell: bounded metrics of both eras, and spans in the trace that the SDK keeps in the message.

The filters are read out of the manifests in mesh/istio/telemetry and given to a stock Envoy.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.e2e.harness.processes import wait_until
from tests.e2e.harness.standalone_envoy import Config, Envoy, cluster, parser
from tests.e2e.mesh.messages import Caller
from tests.e2e.mesh.otlp import PATH, Receiver

FOLDER = Path(__file__).parents[3] / "mesh" / "istio" / "telemetry" / "by-body"
TRACE, PARENT = "ab" * 16, "cd" * 8
CONTEXT = {"_meta": {"traceparent": f"00-{TRACE}-{PARENT}-01", "baggage": "tenant=a"}}


def patch(name: str) -> Config:
    """The one value that an EnvoyFilter of the folder puts in."""
    (one,) = yaml.safe_load((FOLDER / f"envoyfilter-{name}.yaml").read_text())["spec"]["configPatches"]
    found: Config = one["patch"]["value"]
    return found


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=10) as one:
        yield one


@pytest.fixture
def measured(tmp_path: Path, receiver: Receiver) -> Iterator[Envoy]:
    logs = patch("mcp-metrics")["typed_config"]["access_log"]
    running = Envoy(tmp_path, receiver.port, [parser()], hcm={"access_log": logs})
    try:
        yield running.start()
    finally:
        running.stop()


def series(envoy: Envoy, name: str) -> dict[tuple[str, str], float]:
    """(method, class) -> value of each series of a metric, as Prometheus scrapes it."""
    found = {}
    for line in envoy.admin("/stats?format=prometheus").text.splitlines():
        if line.startswith(f"{name}{{"):
            labels = dict(re.findall(r'(\w+)="([^"]*)"', line))
            found[labels["mcp_method_name"], labels["response_class"]] = float(line.rsplit(" ", 1)[1])
    return found


def test_methods_are_counted_in_both_eras_and_invented_ones_are_one_series(
    measured: Envoy, client: httpx.Client
) -> None:
    caller = Caller(client, f"{measured.url}/mcp")
    for _ in range(3):
        caller.modern("tools/call", {"name": "make"})
        caller.send({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
    for number in range(200):
        caller.send({"jsonrpc": "2.0", "id": 1, "method": f"invented/{number}"}, mcp_method=f"invented/{number}")
        caller.send({"jsonrpc": "2.0", "id": 1, "method": "ping"}, mcp_method=f"forged/{number}")
    caller.send("no message at all")
    expected = {("tools/call", "ok"): 3, ("tools/list", "ok"): 3, ("ping", "ok"): 200, ("_OTHER", "ok"): 201}
    wait_until(lambda: series(measured, "envoy_mcp_requests") == expected, seconds=10, what="the counters")
    wait_until(
        lambda: series(measured, "envoy_mcp_request_duration_milliseconds_count") == expected,
        seconds=15,
        what="the histograms, which Envoy flushes every five seconds",
    )


def test_no_tool_becomes_a_label(measured: Envoy, client: httpx.Client) -> None:
    Caller(client, f"{measured.url}/mcp").modern("tools/call", {"name": "a-tool-by-name"})
    wait_until(lambda: series(measured, "envoy_mcp_requests"), seconds=10, what="the counters")
    assert "a-tool-by-name" not in measured.admin("/stats?format=prometheus").text


def tracing(name: str) -> Config:
    """What Istio makes of a Telemetry with an OTLP provider; spans are sent one by one, as they end."""
    uri = {"uri": f"http://otlp{PATH}", "cluster": "otlp", "timeout": "2s"}
    typed: dict[str, Any] = {
        "@type": "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig",
        "service_name": name,
        "http_service": {"http_uri": uri},
    }
    return {
        "tracing": {
            "random_sampling": {"value": 100},
            "provider": {"name": "envoy.tracers.opentelemetry", "typed_config": typed},
        }
    }


@pytest.fixture
def inbound(tmp_path: Path, receiver: Receiver) -> Iterator[Envoy]:
    """The server's proxy: parses, and writes spans."""
    otlp = [cluster("otlp", receiver.port)]
    running = Envoy(tmp_path, receiver.port, [parser()], hcm=tracing("inbound"), clusters=otlp, runtime=FLUSH)
    try:
        yield running.start()
    finally:
        running.stop()


FLUSH = {"tracing.opentelemetry.min_flush_spans": 1}


def outbound(folder: Path, inbound: Envoy, receiver: Receiver, **hcm: Any) -> Envoy:
    """The caller's proxy, with the filter of the manifest."""
    otlp = [cluster("otlp", receiver.port)]
    return Envoy(folder, inbound.port, [patch("mcp-context")], hcm=hcm, clusters=otlp, runtime=FLUSH)


def spans(receiver: Receiver, service: str) -> list[Any]:
    return list(wait_until(lambda: receiver.spans.pop(service, None), seconds=10, what=f"spans of {service}") or [])


def test_the_servers_proxy_joins_the_trace_that_only_the_message_carries(
    tmp_path: Path, inbound: Envoy, receiver: Receiver, client: httpx.Client
) -> None:
    before = outbound(tmp_path, inbound, receiver)
    try:
        Caller(client, f"{before.start().url}/mcp").modern("tools/list", CONTEXT)
        (span,) = spans(receiver, "inbound")
    finally:
        before.stop()
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, PARENT)
    arrived = receiver.arrived.pop()
    assert arrived["traceparent"] == f"00-{TRACE}-{span.span_id.hex()}-01"
    assert arrived["baggage"] == "tenant=a"


def test_a_context_in_the_headers_is_joined_at_once(inbound: Envoy, receiver: Receiver, client: httpx.Client) -> None:
    headers = {"traceparent": CONTEXT["_meta"]["traceparent"]}
    Caller(client, f"{inbound.url}/mcp").modern("tools/list", CONTEXT, **headers)
    (span,) = spans(receiver, "inbound")
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, PARENT)


def test_a_callers_proxy_with_spans_of_its_own_would_begin_another_trace(
    tmp_path: Path, inbound: Envoy, receiver: Receiver, client: httpx.Client
) -> None:
    """The reason for `disableSpanReporting` on the caller's side; should a newer Envoy join, that can go."""
    before = outbound(tmp_path, inbound, receiver, **tracing("outbound"))
    try:
        Caller(client, f"{before.start().url}/mcp").modern("tools/list", CONTEXT)
        (first,), (second,) = spans(receiver, "outbound"), spans(receiver, "inbound")
    finally:
        before.stop()
    assert first.trace_id == second.trace_id
    assert first.trace_id.hex() != TRACE
