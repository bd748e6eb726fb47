"""A load generator for MCP servers: open or closed loop, a constant rate or a recorded trace, both eras; bounded."""
