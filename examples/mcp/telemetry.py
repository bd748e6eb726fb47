"""What the samples add to the instrumentation library: plain HTTP hops, FastAPI's own telemetry, and their tracer.

Business spans are made with `tracer`; their names and attributes begin with the program's name.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import httpx
from fastapi.telemetry import TelemetryConfig
from opentelemetry import trace
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor

import tracing

PROBES = frozenset({"/livez", "/readyz", "/v0/health", "/v0.1/health"})
tracer = trace.get_tracer("forescale.examples.mcp")


@contextmanager
def switched_on(service_name: str, *, host: str, metrics_port: int) -> Iterator[str]:
    """Spans and metrics of this process, until what is left was sent; gives the URL of /metrics."""
    os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", "http")  # today's names of HTTP attributes
    telemetry = tracing.configure(service_name=service_name, metrics_host=host, metrics_port=metrics_port)
    try:
        yield f"http://{host}:{telemetry.metrics_port}/metrics"
    finally:
        telemetry.shutdown()


def http_client(
    *, base_url: str, timeout_seconds: float, headers: Mapping[str, str] | None = None
) -> httpx.AsyncClient:
    """A client whose requests are spans and carry the W3C context."""
    client = httpx.AsyncClient(base_url=base_url, timeout=timeout_seconds, headers=headers)
    HTTPXClientInstrumentor.instrument_client(client)
    return client


def of_api() -> TelemetryConfig:
    """For FastAPI, which makes its spans and metrics by itself: none for probes, and one span a request."""
    return {"exclude": lambda scope: scope.get("path") in PROBES, "operation_spans": False}
