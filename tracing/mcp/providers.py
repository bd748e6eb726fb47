"""OpenTelemetry set up in one call, for programs that have not done so: by its own OTEL_* environment variables."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opentelemetry import metrics, trace

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import MetricReader
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider


@dataclass(frozen=True)
class Telemetry:
    """What configure() has set up. `metrics_port` is where Prometheus finds /metrics, None where it does not."""

    tracer_provider: "TracerProvider"
    meter_provider: "MeterProvider"
    metrics_port: int | None
    _server: Any = None

    def shutdown(self) -> None:
        """Sends what is not sent yet and stops; for the end of a program."""
        self.tracer_provider.shutdown()
        self.meter_provider.shutdown()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()


def configure(
    *,
    service_name: str | None = None,
    metrics_port: int | None = None,
    metrics_host: str = "0.0.0.0",  # noqa: S104 - a Prometheus elsewhere scrapes it; pass an address to narrow it
    resource_attributes: Mapping[str, str] | None = None,
) -> Telemetry:
    """Sets the global providers. Needs opentelemetry-sdk and, for what is used, its OTLP and Prometheus exporters.

    Spans and metrics go by OTLP over HTTP where OTEL_EXPORTER_OTLP_ENDPOINT (or that of one signal) is set and
    OTEL_TRACES_EXPORTER (OTEL_METRICS_EXPORTER) is not `none`. OTEL_TRACES_SAMPLER samples. OTEL_SERVICE_NAME goes
    before `service_name`. With `metrics_port` the metrics are served for Prometheus too; 0 takes a free port.
    OTEL_SDK_DISABLED=true turns all of it off. Raises OSError where the port is taken.
    """
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.trace import TracerProvider

    resource = _resource(service_name, resource_attributes or {})
    tracer_provider = TracerProvider(resource=resource)
    readers: list[MetricReader] = []
    if _is_sent("TRACES"):
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        tracer_provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    if _is_sent("METRICS"):
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

        readers.append(PeriodicExportingMetricReader(OTLPMetricExporter()))
    port, server = None, None
    if metrics_port is not None:
        reader, server, port = _prometheus(metrics_port, metrics_host)
        readers.append(reader)
    meter_provider = MeterProvider(metric_readers=readers, resource=resource)
    trace.set_tracer_provider(tracer_provider)
    metrics.set_meter_provider(meter_provider)
    return Telemetry(tracer_provider, meter_provider, port, server)


def _is_sent(signal: str) -> bool:
    """Whether the environment says where this signal goes, and not that it goes nowhere."""
    if os.environ.get(f"OTEL_{signal}_EXPORTER") == "none":
        return False
    return any(os.environ.get(f"OTEL_EXPORTER_OTLP_{part}ENDPOINT") for part in ("", f"{signal}_"))


def _resource(service_name: str | None, attributes: Mapping[str, str]) -> "Resource":
    from opentelemetry.sdk.resources import Resource

    named = {} if service_name is None or os.environ.get("OTEL_SERVICE_NAME") else {"service.name": service_name}
    return Resource.create({**attributes, **named})


def _prometheus(port: int, host: str) -> tuple["MetricReader", Any, int]:
    """A reader with a registry of its own, served on a thread."""
    from opentelemetry.exporter.prometheus import PrometheusMetricReader
    from prometheus_client import CollectorRegistry, start_http_server

    registry = CollectorRegistry()
    reader = PrometheusMetricReader(registry=registry)
    server, _ = start_http_server(port, host, registry)
    return reader, server, server.server_port
