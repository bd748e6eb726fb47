"""Metrics and complete spans for servers and clients built on the official MCP SDK."""
