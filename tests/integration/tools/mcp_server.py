"""An MCP server for tests, made with the official SDK; run as `python mcp_server.py PORT`."""

from __future__ import annotations

import sys

from mcp.server.mcpserver import MCPServer

server = MCPServer("test")


@server.tool()
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.tool()
def say(size: int) -> str:
    """Say much."""
    return "x" * size


server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
