"""The sample MCP servers and what they share: hosting behind several replicas, health, listing in the registry."""
