"""The whole service, all its processes, with OpenTelemetry's environment set: spans at a collector, exemplars."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from app import spans
from tests.telemetry.otlp import Collector

ROOT = Path(__file__).parents[2]
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
OPEN_METRICS = "application/openmetrics-text; version=1.0.0"
_LIMIT_SECONDS = 300


def attributes(span: Any) -> dict[str, Any]:
    """Those of a span as OTLP has it, whatever their type."""
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}


@dataclass(frozen=True)
class Traced:
    """All spans of one run, and /metrics of it in both formats while it ran."""

    spans: list[Any]
    resources: list[dict[str, str]]
    open_metrics: str
    plain: str

    def named(self, name: str) -> list[Any]:
        """The spans of that name."""
        return [span for span in self.spans if span.name == name]


@pytest.fixture(scope="module")
def run() -> Iterator[Traced]:
    """The demo until it has served a traced forecast."""
    with Collector() as collector:
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("OTEL_")},
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
            "OTEL_BSP_SCHEDULE_DELAY": "200",
        }
        command = [sys.executable, "-m", "app.cli", "demo", "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment) as process:
            try:
                pages = _pages(process)
            finally:
                process.send_signal(signal.SIGINT)
                process.communicate(timeout=30)
        yield Traced(collector.spans, collector.resources, *pages)


def _pages(process: subprocess.Popen[str]) -> tuple[str, str]:
    assert process.stdout is not None
    head = ""
    while not (found := re.search(r"(http://127\.0\.0\.1:\d+)/\n", head)):
        line = process.stdout.readline()
        assert line, "ended early"
        head += line
    with httpx.Client(base_url=found[1], timeout=30) as caller:
        deadline = time.monotonic() + _LIMIT_SECONDS
        while True:
            text = caller.get("/metrics", headers={"accept": OPEN_METRICS}).text
            if re.search(r"forescale_refresh_passes_total.* # \{", text) and "forescale_lead_seconds{" in text:
                break
            assert time.monotonic() < deadline, text
            threading.Event().wait(0.5)  # the processes at work are niced: asking without a pause would keep them off
        asked = "/api/v1/namespaces/demo/loadforecasts/web/forecast"
        caller.get(asked, headers={"traceparent": f"00-{TRACE}-{PARENT}-01"}).raise_for_status()
        caller.get("/apis/external.metrics.k8s.io/v1beta1/namespaces/demo/web")
        return caller.get("/metrics", headers={"accept": OPEN_METRICS}).text, caller.get("/metrics").text


def test_a_pass_is_one_trace_over_the_processes(run: Traced) -> None:
    taken_in = run.named(spans.TAKE_IN)
    assert taken_in
    of_pass = {span.trace_id: span for span in run.named(spans.PASS)}
    root = of_pass[taken_in[0].trace_id]
    assert not root.parent_span_id
    below = {span.name for span in run.spans if span.parent_span_id == root.span_id}
    assert {spans.FETCH, spans.PREDICT, spans.PLAN, spans.PUBLISH, spans.TAKE_IN} <= below
    assert attributes(root)[spans.WORKLOADS] == 2


def test_a_fit_is_linked_to_the_pass_that_asked_and_goes_on_in_the_process_that_fits(run: Traced) -> None:
    fit, block = run.named(spans.FIT)[0], run.named(spans.FIT_BLOCK)[0]
    assert block.trace_id == fit.trace_id
    assert block.parent_span_id == fit.span_id
    assert fit.links[0].span_id in {span.span_id for span in run.named(spans.PASS)}


def test_a_request_continues_its_caller_s_trace_and_links_the_pass_that_made_the_answer(run: Traced) -> None:
    (request,) = [span for span in run.spans if span.parent_span_id.hex() == PARENT]
    assert request.trace_id.hex() == TRACE
    assert request.name == "GET /api/v1/namespaces/{namespace}/loadforecasts/{name}/forecast"
    assert attributes(request)["http.response.status_code"] == 200
    assert request.links[0].span_id in {span.span_id for span in run.named(spans.PASS)}


def test_a_request_of_the_hpa_has_a_name_without_the_metric_s(run: Traced) -> None:
    assert run.named("GET /apis/external.metrics.k8s.io/v1beta1/namespaces/{namespace}/{metric}")


def test_each_process_says_which_it_is(run: Traced) -> None:
    assert {resource[spans.PROCESS] for resource in run.resources} == {"serving", "pipeline", "fit"}
    assert {resource["service.name"] for resource in run.resources} == {"forescale"}


def test_names_and_attributes_are_those_that_the_readme_lists(run: Traced) -> None:
    page = (ROOT / "app" / "README.md").read_text()
    for name in (*spans.NAMES, *spans.ATTRIBUTES):
        assert f"`{name}`" in page, name
    ours = {key for span in run.spans for key in attributes(span) if key.startswith("forescale.")}
    assert ours <= spans.ATTRIBUTES.keys()
    assert {span.name for span in run.spans if span.kind == 1} <= set(spans.NAMES)


def test_exemplars_lead_from_latencies_to_traces_that_arrived(run: Traced) -> None:
    families = {family.name: family for family in text_string_to_metric_families(run.open_metrics)}
    arrived = {(span.trace_id.hex(), span.span_id.hex()) for span in run.spans}
    for name in ("forescale_refresh_passes", "forescale_http_request_duration_seconds"):
        found = [sample.exemplar for sample in families[name].samples if sample.exemplar]
        assert found, name
        for exemplar in found:
            assert (exemplar.labels["trace_id"], exemplar.labels["span_id"]) in arrived, name
            assert exemplar.value > 0


def test_the_plain_format_has_the_same_series_and_no_exemplars(run: Traced) -> None:
    assert " # {" not in run.plain
    assert "# EOF" not in run.plain
    names = {line.partition("{")[0].partition(" ")[0] for line in run.plain.splitlines() if not line.startswith("#")}
    of_open = {line.partition("{")[0].partition(" ")[0] for line in run.open_metrics.splitlines() if line[0] != "#"}
    assert names == of_open


def test_off_nothing_of_the_sdk_is_imported_and_no_layer_is_there() -> None:
    code = (
        "import sys; from app import main, spans; spans.set_up_tracing('serving')(); "
        "assert not [m for m in sys.modules if m.startswith(('opentelemetry.sdk', 'opentelemetry.exporter'))]; "
        "assert not spans.enabled() and spans.carried() == {} and spans.exemplar() is None"
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, env=environment, timeout=60)


@pytest.mark.parametrize("off", [{"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none"}])
def test_the_environment_can_switch_it_off(off: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    assert spans.enabled()
    for name, value in off.items():
        monkeypatch.setenv(name, value)
    assert not spans.enabled()
