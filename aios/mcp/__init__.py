"""AIOS as an MCP server: its tools, memory and files for other programs, each call an agent of its own."""
