"""An agent: finds MCP servers in the registry, plans which tools to call, calls them; one trace a task."""
