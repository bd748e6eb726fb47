"""A legacy MCP server: sessions with state of their own, long calls with progress, and calls that fail on demand."""
