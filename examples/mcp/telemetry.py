"""The one place where the samples switch telemetry on: spans and metrics of a process, and context on plain HTTP hops.

Spans go to a collector when OTEL_EXPORTER_OTLP_ENDPOINT (or the traces' own variable) is set, as the OpenTelemetry SDK
reads it; metrics are always served for Prometheus on a port of their own.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from wsgiref.simple_server import WSGIServer

import httpx
from fastapi.telemetry import TelemetryConfig
from mcp.client import Client
from mcp.server.mcpserver import MCPServer
from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.propagate import inject
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prometheus_client import start_http_server
from starlette.types import ASGIApp

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
PROBES = frozenset({"/livez", "/readyz", "/v0/health", "/v0.1/health"})
tracer = trace.get_tracer("forescale.examples.mcp")


@dataclass(frozen=True)
class Telemetry:
    """What was switched on; `close` sends what is left."""

    metrics_url: str
    _spans: TracerProvider
    _metrics: MeterProvider
    _server: WSGIServer

    def close(self) -> None:
        """Flushes spans and ends the metrics listener."""
        self._spans.shutdown()
        self._metrics.shutdown()
        self._server.shutdown()
        self._server.server_close()


def configure(*, service_name: str, metrics_host: str, metrics_port: int) -> Telemetry:
    """Once per process. metrics_port 0: any free one, see `metrics_url`."""
    resource = Resource.create({"service.name": service_name})
    spans = TracerProvider(resource=resource)
    if any(os.environ.get(name) for name in _ENDPOINTS):
        spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    meters = MeterProvider(resource=resource, metric_readers=[PrometheusMetricReader()])
    trace.set_tracer_provider(spans)
    metrics.set_meter_provider(meters)
    server, _ = start_http_server(metrics_port, addr=metrics_host)
    return Telemetry(f"http://{metrics_host}:{server.server_port}/metrics", spans, meters, server)


def instrument(server: MCPServer[Any]) -> None:
    """An MCP server; the SDK's own spans suffice until the library has metrics."""


def instrument_client(client: Client) -> Client:
    """An MCP client; likewise."""
    return client


async def _put_context(request: httpx.Request) -> None:
    carrier: dict[str, str] = {}
    inject(carrier)
    request.headers.update(carrier)


def http_client(
    *, base_url: str, timeout_seconds: float, headers: Mapping[str, str] | None = None
) -> httpx.AsyncClient:
    """A client whose requests carry the W3C context."""
    hooks = {"request": [_put_context]}
    return httpx.AsyncClient(base_url=base_url, timeout=timeout_seconds, headers=headers, event_hooks=hooks)


def of_api() -> TelemetryConfig:
    """For FastAPI, which makes its spans and metrics by itself: none for probes, and one span a request."""
    return {"exclude": lambda scope: scope.get("path") in PROBES, "operation_spans": False}


def asgi(app: ASGIApp) -> ASGIApp:
    """The layer around an MCP server's application."""
    return app
