"""MCP servers as tools: started on demand, watched, restarted, and held to the schemas that were accepted."""
