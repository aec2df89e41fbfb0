"""`agent.tool`: functions and servers outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aios.kernel.chat import ToolCall
from aios.kernel.request import Request

if TYPE_CHECKING:
    from aios.kernel.values import Json


class Tools:
    """`agent.tool`: functions and servers outside."""

    def call(self, tool: str | ToolCall, /, **arguments: Json) -> Request[Json]:
        """Call a tool by name and arguments, or as a model asked for it in a `ToolCall`."""
        name, given = (tool.name, tool.arguments) if isinstance(tool, ToolCall) else (tool, arguments)
        return Request("tool", "call", {"tool": name, "arguments": given})
