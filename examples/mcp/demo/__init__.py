"""The whole chain on one machine: load, MCP servers, Prometheus, the forecast service, its page."""
