"""A sample MCP framework: registry, servers, agent and load generator, each a small program of its own."""
