"""configure() by the environment that OpenTelemetry defines, in a program of its own that speaks over pipes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters

import tracing
from tests.telemetry.loopback import Recorder
from tests.telemetry.otlp import Collector

ROOT = Path(__file__).parents[2]


async def call_over_pipes(page: Path, recorder: Recorder, mode: str, **environment: str) -> None:
    """One call of a server that is a process; `page` gets what it had on /metrics."""
    program = StdioServerParameters(
        command=sys.executable,
        args=["-m", "tests.telemetry.stdio_server", str(page)],
        env={**os.environ, **environment},
        cwd=str(ROOT),
    )
    client = Client(program, mode=mode)
    tracing.instrument_client(client, **recorder.providers)
    async with client:
        await client.session.call_tool("forecast", {"city": "Oslo"})


def attributes(span) -> dict[str, str]:
    """Those of a span as OTLP has it."""
    return {one.key: one.value.string_value for one in span.attributes}


@pytest.mark.parametrize("mode", ["2026-07-28", "legacy"])
async def test_spans_and_metrics_go_where_the_environment_says_in_one_trace_with_the_caller(mode, tmp_path):
    recorder, page = Recorder(), tmp_path / "metrics"
    with Collector() as collector:
        await call_over_pipes(page, recorder, mode, OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint)
    (received,) = [span for span in collector.spans if span.name == "tools/call forecast"]
    sent = recorder.client_span("tools/call")
    assert int.from_bytes(received.trace_id, "big") == sent.context.trace_id
    assert attributes(received)["network.transport"] == sent.attributes["network.transport"] == "pipe"
    assert "mcp.server.operation.duration" in collector.metric_names
    assert received.span_id in [exemplar.span_id for exemplar in collector.exemplars]
    assert {resource["service.name"] for resource in collector.resources} == {"weather"}
    assert "mcp_server_operation_duration_seconds_count{" in page.read_text()


async def test_the_name_in_the_environment_goes_before_and_one_signal_can_be_kept_back(tmp_path):
    recorder, page = Recorder(), tmp_path / "metrics"
    named = {"OTEL_SERVICE_NAME": "storms", "OTEL_METRICS_EXPORTER": "none"}
    with Collector() as collector:
        await call_over_pipes(page, recorder, "legacy", OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint, **named)
    assert {resource["service.name"] for resource in collector.resources} == {"storms"}
    assert not collector.metric_names
    assert "forescale_mcp_server_active_operations{" in page.read_text()


def test_without_the_environment_no_exporter_is_made():
    code = (
        "import sys, tracing; tracing.configure(service_name='quiet').shutdown(); "
        "assert not [m for m in sys.modules if m.startswith('opentelemetry.exporter')]"
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=60, env=environment)
