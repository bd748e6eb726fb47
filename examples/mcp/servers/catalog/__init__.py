"""A modern, stateless MCP server with fast tools: a catalogue of screws. Any replica answers any call."""
