"""A registry of MCP servers: the official registry's API v0.1 over SQLAlchemy."""
