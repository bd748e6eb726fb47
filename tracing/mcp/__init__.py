"""Metrics and complete spans for servers and clients built on the official MCP SDK."""

from tracing.mcp.providers import Telemetry, configure
from tracing.mcp.switch import Instrumentation, asgi, instrument, instrument_client

__all__ = ["Instrumentation", "Telemetry", "asgi", "configure", "instrument", "instrument_client"]
