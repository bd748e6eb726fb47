"""Telemetry of MCP workloads: an instrumentation library (tracing.mcp) and the manifests of collector and Jaeger.

import tracing

tracing.configure(service_name="weather", metrics_port=9464)  # where nobody else has set up OpenTelemetry
tracing.instrument(server)
"""

from tracing.mcp import Instrumentation, Telemetry, asgi, configure, instrument, instrument_client

__all__ = ["Instrumentation", "Telemetry", "asgi", "configure", "instrument", "instrument_client"]
