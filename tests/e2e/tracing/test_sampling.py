"""Which of 10,000 known traces are kept, and that all of them are counted."""

import math
import random
from itertools import islice

import pytest

from tests.e2e.harness import shipped
from tests.e2e.harness.processes import wait_until
from tests.e2e.harness.prometheus import Prometheus
from tests.e2e.harness.spans import Call, Sender, trace_ids
from tests.e2e.tracing.conftest import Chain

TRACES, FAILED, SLOW = 10_000, 100, 200
SERVER = "mixed-server"
SPANS_A_TRACE = 2


def policy(name: str) -> dict[str, object]:
    """A policy as it is shipped."""
    sampling = shipped.configs("collector/base", "StatefulSet", "gateway")["sampling.yaml"]
    (found,) = (one for one in sampling["processors"]["tail_sampling"]["policies"] if one["name"] == name)
    return found


def share(name: str) -> float:
    """Of the traces that a probabilistic policy keeps, 0..1."""
    (found,) = (one for one in policy(name)["and"]["and_sub_policy"] if one["type"] == "probabilistic")  # type: ignore[index]
    return float(found["probabilistic"]["sampling_percentage"]) / 100


@pytest.fixture(scope="module")
def mix() -> dict[str, list[Call]]:
    """1 % failed, 2 % slow, the rest calls of a tool of every day."""
    ids = trace_ids(random.Random(20261125))
    return {
        "failed": [Call(one, failed=True) for one in islice(ids, FAILED)],
        "slow": [Call(one, seconds=3.0) for one in islice(ids, SLOW)],
        "ordinary": [Call(one) for one in islice(ids, TRACES - FAILED - SLOW)],
    }


@pytest.fixture(scope="module")
def kept(chain: Chain, mix: dict[str, list[Call]]) -> set[str]:
    """Trace ids that Jaeger holds, once the gateway has decided on all."""
    counted = "otelcol_processor_tail_sampling_global_count_traces_sampled_total"
    before = chain.gateway.metric(counted)
    calls = [call for kind in mix.values() for call in kind]
    random.Random(1).shuffle(calls)
    sender = Sender(chain.agent.http_port, server=SERVER)
    sender.send(calls)
    assert len(sender.accepted) == TRACES
    wait_until(
        lambda: chain.gateway.metric(counted) - before >= TRACES, seconds=60, what=f"{TRACES} traces are decided on"
    )
    return settled(chain, SERVER)


def settled(chain: Chain, service: str) -> set[str]:
    """The trace ids of a service once the gateway's queue is empty and two looks agree."""
    seen: list[set[str]] = []

    def same() -> set[str] | None:
        assert chain.gateway.metric("otelcol_exporter_queue_size") == 0, "the gateway's queue is not empty"
        seen.append(chain.jaeger.trace_ids(service))
        return seen[-1] if len(seen) > 1 and seen[-1] == seen[-2] else None

    return wait_until(same, seconds=60, what=f"Jaeger has what was kept of {service}")


@pytest.mark.parametrize("kind", ["failed", "slow"])
def test_every_trace_that_failed_or_was_slow_is_kept(kept: set[str], mix: dict[str, list[Call]], kind: str) -> None:
    wanted = {call.trace_id for call in mix[kind]}
    assert wanted <= kept, f"{len(wanted - kept)} of {len(wanted)} are missing"


def test_of_the_others_the_set_share_is_kept(kept: set[str], mix: dict[str, list[Call]]) -> None:
    ordinary = {call.trace_id for call in mix["ordinary"]}
    rate = share("tool-calls")
    spread = math.sqrt(len(ordinary) * rate * (1 - rate))
    found = len(ordinary & kept)
    print(f"\nkept of {len(ordinary)} ordinary traces: {found}, expected {len(ordinary) * rate:.0f} +- {spread:.0f}")
    assert abs(found - len(ordinary) * rate) < 4 * spread


def test_span_metrics_count_every_span_also_of_traces_that_are_not_kept(kept: set[str], prometheus: Prometheus) -> None:
    query = f'sum(traces_span_metrics_calls_total{{service_name="{SERVER}"}})'
    wait_until(lambda: prometheus.value(query) == TRACES, seconds=30, what=f"{query} is {TRACES}")
    histogram = (
        f'sum(traces_span_metrics_duration_seconds_count{{service_name="{SERVER}",span_kind="SPAN_KIND_SERVER"}})'
    )
    assert prometheus.value(histogram) == TRACES
    failed = f'sum(traces_span_metrics_calls_total{{service_name="{SERVER}",status_code="STATUS_CODE_ERROR"}})'
    assert prometheus.value(failed) == FAILED


def test_a_tool_that_is_rarely_called_is_always_kept(chain: Chain) -> None:
    calls = [Call(one, tool="recalibrate") for one in islice(trace_ids(random.Random(2)), 100)]
    Sender(chain.agent.http_port, server="rare-server").send(calls)
    wanted = {call.trace_id for call in calls}
    wait_until(lambda: chain.jaeger.trace_ids("rare-server") == wanted, seconds=40, what="all rare calls are kept")


def test_handshakes_and_probes_are_dropped_unless_they_failed(chain: Chain) -> None:
    ids = trace_ids(random.Random(3))
    server = "shaking-server"
    boring = [
        Call(next(ids), method=method)
        for method in ("server/discover", "ping", "initialize", "notifications/initialized")
        for _ in range(100)
    ]
    failed = [Call(next(ids), method="server/discover", failed=True) for _ in range(10)]
    before = chain.gateway.metric("otelcol_processor_tail_sampling_global_count_traces_sampled_total")
    Sender(chain.agent.http_port, server=server).send([*boring, *failed])
    counted = "otelcol_processor_tail_sampling_global_count_traces_sampled_total"
    wait_until(
        lambda: chain.gateway.metric(counted) - before >= len(boring) + len(failed),
        seconds=30,
        what="all handshakes are decided on",
    )
    assert settled(chain, server) == {call.trace_id for call in failed}


def test_a_stream_is_not_kept_for_being_long(chain: Chain) -> None:
    ids = trace_ids(random.Random(4))
    streams = [Call(next(ids), method="subscriptions/listen", seconds=600) for _ in range(300)]
    before = chain.gateway.metric("otelcol_processor_tail_sampling_global_count_traces_sampled_total")
    Sender(chain.agent.http_port, server="stream-server").send(streams)
    counted = "otelcol_processor_tail_sampling_global_count_traces_sampled_total"
    wait_until(lambda: chain.gateway.metric(counted) - before >= len(streams), seconds=30, what="streams are decided")
    found, rate = len(settled(chain, "stream-server")), share("streams")
    assert abs(found - len(streams) * rate) < 4 * math.sqrt(len(streams) * rate * (1 - rate))


def test_a_span_that_comes_after_its_traces_decision_follows_it(
    chain: Chain, kept: set[str], mix: dict[str, list[Call]]
) -> None:
    """As the end of a stream does: the trace was decided on long before."""
    some = [call for call in mix["ordinary"] if call.trace_id in kept][:50]
    others = [call for call in mix["ordinary"] if call.trace_id not in kept][:50]
    late = "late-server"
    Sender(chain.agent.http_port, server=late).send([Call(one.trace_id, failed=True) for one in (*some, *others)])
    wanted = {call.trace_id for call in some}
    wait_until(lambda: chain.jaeger.trace_ids(late) >= wanted, seconds=30, what="late spans of kept traces are kept")
    assert settled(chain, late) == wanted
