"""Runs beside bench-telemetry: the SDK's own server with one tool, in one of four states of instrumentation."""

import asyncio
import json
import resource
import socket
import sys
from typing import Literal

import uvicorn
from mcp.server.mcpserver import MCPServer
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

import tracing

State = Literal["plain", "dormant", "spans", "full"]
STATES: tuple[State, ...] = ("plain", "dormant", "spans", "full")


class Discard(SpanExporter):
    """Takes what the batch processor hands over: what exporting costs is the exporter's matter."""

    def export(self, spans: object) -> SpanExportResult:
        """Done."""
        return SpanExportResult.SUCCESS


def adder() -> MCPServer:
    """A server whose tool does next to nothing, so that all else weighs most."""
    server = MCPServer("adder", log_level="CRITICAL")

    @server.tool()
    def add(a: int, b: int) -> int:
        return a + b

    return server


def prepare(server: MCPServer, state: State) -> None:
    """plain: as the SDK comes; dormant: ours on, OpenTelemetry's SDK absent; spans: the SDK's spans; full: ours on."""
    if state in ("spans", "full") and isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        tracers = TracerProvider()
        tracers.add_span_processor(BatchSpanProcessor(Discard()))
        trace.set_tracer_provider(tracers)
        metrics.set_meter_provider(MeterProvider(metric_readers=[InMemoryMetricReader()]))
    if state in ("dormant", "full"):
        tracing.instrument(server)


async def serve(state: State) -> None:
    """Says its port, then answers each line of standard input with the processor seconds it has used."""
    server = adder()
    prepare(server, state)
    app = server.streamable_http_app(json_response=True)
    listener = socket.create_server(("127.0.0.1", 0))
    running = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
    serving = asyncio.create_task(running.serve([listener]))
    while not running.started:
        await asyncio.sleep(0.01)
    print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        usage = resource.getrusage(resource.RUSAGE_SELF)
        print(json.dumps({"cpu_seconds": usage.ru_utime + usage.ru_stime}), flush=True)
    running.should_exit = True
    await serving


if __name__ == "__main__":
    state = json.loads(sys.stdin.readline())["state"]
    asyncio.run(serve(state))
