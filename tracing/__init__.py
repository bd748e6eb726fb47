"""Telemetry of MCP workloads: an instrumentation library (tracing.mcp) and the manifests of collector and Jaeger."""
