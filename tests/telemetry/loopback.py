"""What these tests share: providers that remember, a server of the SDK with one of everything, HTTP around it."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp.shared.exceptions import MCPError
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind


class Recorder:
    """Providers of one test, and what was recorded through them."""

    def __init__(self) -> None:
        self.spans_out = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.spans_out))
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider(metric_readers=[self.reader])

    @property
    def providers(self) -> dict[str, Any]:
        """Keyword arguments of the library's switches."""
        return {"tracer_provider": self.tracers, "meter_provider": self.meters}

    def spans(self, kind: SpanKind, method: str | None = None) -> list[ReadableSpan]:
        """The ended spans of a kind, of one method if it is named."""
        return [
            span
            for span in self.spans_out.get_finished_spans()
            if span.kind is kind and (method is None or (span.attributes or {})["mcp.method.name"] == method)
        ]

    def server_span(self, method: str) -> ReadableSpan:
        """The only span of a server with this method."""
        (span,) = self.spans(SpanKind.SERVER, method)
        return span

    def client_span(self, method: str) -> ReadableSpan:
        """The only span of a client with this method."""
        (span,) = self.spans(SpanKind.CLIENT, method)
        return span

    def metrics(self) -> dict[str, Any]:
        """Each metric by its name."""
        data = self.reader.get_metrics_data()
        if data is None:
            return {}
        return {
            metric.name: metric
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    def points(self, name: str, **attributes: str) -> list[Any]:
        """The points of a metric that have these attributes, whose dots are written as two underscores."""
        wanted = {key.replace("__", "."): value for key, value in attributes.items()}
        metric = self.metrics().get(name)
        points = [] if metric is None else metric.data.data_points
        return [point for point in points if wanted.items() <= dict(point.attributes).items()]

    def total(self, name: str, **attributes: str) -> float:
        """Sum over those points: of counts for a histogram, of values for a counter."""
        return sum(
            getattr(point, "count", None) or getattr(point, "value", 0) for point in self.points(name, **attributes)
        )


class Gate:
    """A tool that waits until the test has seen that it waits."""

    def __init__(self) -> None:
        self.entered = anyio.Event()
        self.opened = anyio.Event()

    async def pass_through(self) -> None:
        """Says that it is here, and waits."""
        self.entered.set()
        await self.opened.wait()


def weather_server(gate: Gate | None = None) -> MCPServer:
    """Tools that answer, fail, refuse and wait; a prompt; a resource."""
    server = MCPServer("weather", log_level="CRITICAL")

    @server.tool()
    def forecast(city: str) -> str:
        return f"sun in {city}"

    @server.tool()
    def broken() -> str:
        raise ValueError("a secret of the caller")

    @server.tool()
    def refused() -> str:
        raise MCPError(code=-32603, message="a secret of the server")

    @server.tool()
    async def slow() -> str:
        if gate is not None:
            await gate.pass_through()
        return "at last"

    @server.prompt()
    def packing(city: str) -> str:
        return f"what to pack for {city}"

    @server.resource("weather://stations")
    def stations() -> str:
        return "none"

    return server


@asynccontextmanager
async def listening(app: Any) -> AsyncIterator[str]:
    """`app` served by uvicorn on a loopback port of this event loop; yields its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on", timeout_graceful_shutdown=1))
    serving = asyncio.create_task(server.serve([listener]))
    try:
        while not server.started:
            await asyncio.sleep(0)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
        listener.close()
