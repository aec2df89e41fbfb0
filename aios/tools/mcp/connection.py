"""One live connection to an MCP server: what it offers, and calls of its tools, for threads without an event loop."""

from __future__ import annotations

import math
import os
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Final, cast

import anyio
from mcp import Client, MCPError
from mcp_types import CONNECTION_CLOSED, REQUEST_TIMEOUT, Implementation

from aios.errors import AiosError, Misconfigured, ToolFailed, ToolNotReached, ToolTimeout, ToolUnavailable
from aios.tools.mcp.http import http_transport
from aios.tools.mcp.offer import MOST_TOOLS, Offer, offers
from aios.tools.mcp.stdio import stdio_transport

if TYPE_CHECKING:
    from anyio.abc import TaskStatus
    from anyio.from_thread import BlockingPortal
    from mcp.client._transport import Transport
    from mcp_types import CallToolResult, Tool

    from aios.kernel.values import JsonObject
    from aios.settings import McpSettings

_PASSED_ON: Final = ("PATH", "HOME", "LANG", "TMPDIR")
_LATE_SECONDS: Final = 2.0
_ME: Final = Implementation(name="aios", version="1")


class Connection:
    """An open connection. What breaks it closes it; whoever needs the server next opens another.

    Attributes:
        offers: the server's tools by name.
        closed: nothing more can be called.
    """

    def __init__(self, portal: BlockingPortal, settings: McpSettings) -> None:
        """Connect, and ask what the server offers.

        Raises:
            ToolNotReached: it cannot be started or reached, or is no MCP server.
        """
        self._portal, self._settings = portal, settings
        self._client: Client
        self.closed = False
        self._stop: anyio.Event = portal.call(anyio.Event)
        try:
            _, self.offers = portal.start_task(self._live, name=f"mcp-{settings.name}")
        except AiosError:
            raise
        except Exception as error:
            raise ToolNotReached(settings.name, "its server", _reason(error)) from error

    def call(self, name: str, arguments: JsonObject, *, seconds: float) -> CallToolResult:
        """Call one of its tools.

        Raises:
            ToolTimeout: no answer in time; the server was told that nobody waits any more.
            ToolUnavailable: the connection broke off, whether before or after the call took effect.
            ToolFailed: the server refuses the call.
        """
        full = f"{self._settings.name}.{name}"
        future = self._portal.start_task_soon(self._client.call_tool, name, arguments, seconds)
        try:
            answer: CallToolResult = future.result(seconds + _LATE_SECONDS)
        except MCPError as error:
            raise self._translated(full, error, seconds) from error
        except (TimeoutError, CancelledError) as error:
            future.cancel()
            self.close()
            raise ToolTimeout(full, round(seconds, 3)) from error
        except Exception as error:
            self.close()
            raise ToolUnavailable(full, "its server", _reason(error)) from error
        return answer

    def close(self) -> None:
        """End the connection, and the server if it is a process of ours."""
        self.closed = True
        self._portal.start_task_soon(self._end)

    def _translated(self, full: str, error: MCPError, seconds: float) -> AiosError:
        if error.code == REQUEST_TIMEOUT:
            return ToolTimeout(full, round(seconds, 3))
        if error.code == CONNECTION_CLOSED:
            self.close()
            return ToolUnavailable(full, "its server", "the connection broke off")
        return ToolFailed(full, "MCPError", str(error)[:4000])

    async def _live(self, *, task_status: TaskStatus[dict[str, Offer]]) -> None:
        """Hold the connection open until it is to end: what opened it must close it, in one task."""
        deadline = anyio.current_time() + self._settings.start_seconds
        try:
            with anyio.CancelScope(deadline=deadline) as starting:
                async with Client(self._transport(), cache=None, client_info=_ME) as client:
                    self._client = client
                    found = {offer.name: offer for offer in offers(await _listed(client))}
                    starting.deadline = math.inf
                    task_status.started(found)
                    await self._stop.wait()
            if starting.cancelled_caught:
                raise TimeoutError(f"it did not answer within {self._settings.start_seconds} s")
        finally:
            self.closed = True

    async def _end(self) -> None:
        self._stop.set()

    def _lost(self) -> None:
        self.closed = True
        self._stop.set()

    def _transport(self) -> Transport:
        settings = self._settings
        if settings.url:
            headers = {name: _secret(variable) for name, variable in settings.headers_env.items()}
            return cast(
                "Transport",
                http_transport(
                    settings.url, headers=headers, message_bytes=settings.message_bytes, seconds=settings.start_seconds
                ),
            )
        passed = {name: os.environ[name] for name in (*_PASSED_ON, *settings.env) if name in os.environ}  # noqa: TID251  # of others
        return cast(
            "Transport",
            stdio_transport(
                settings.command, environment=passed, message_bytes=settings.message_bytes, on_end=self._lost
            ),
        )


async def _listed(client: Client) -> list[Tool]:
    """All pages of the server's list, as far as anybody could use them."""
    tools: list[Tool] = []
    cursor: str | None = None
    while len(tools) < MOST_TOOLS:
        page = await client.list_tools(cursor=cursor)
        tools += page.tools
        cursor = page.next_cursor
        if not cursor or not page.tools:
            break
    return tools


def _secret(variable: str) -> str:
    try:
        return os.environ[variable]  # noqa: TID251  # settings name the variable, so that no file holds the secret
    except KeyError:
        raise Misconfigured(
            f"the environment variable {variable!r} is not set", "an MCP server's header needs it"
        ) from None


def _reason(error: BaseException) -> str:
    """What went wrong first, out of a group of errors."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"[:300]
