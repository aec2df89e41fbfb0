"""The MCP server: other programs' calls become agents, and their results answers. Made with the official SDK."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import anyio
from anyio import to_thread
from jsonschema import Draft202012Validator
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp_types import CallToolResult, ListToolsResult, TextContent, Tool

from aios.errors import AiosError, BadToolArguments, InvalidArgument
from aios.sdk.waiting import Waiting

if TYPE_CHECKING:
    from mcp.server.context import ServerRequestContext
    from mcp_types import CallToolRequestParams, PaginatedRequestParams

    from aios.kernel.values import Json, JsonObject
    from aios.mcp.orders import Orders
    from aios.sdk.client import Client

_SHOWN: Final = 200


class Bridge:
    """Answers MCP requests through a client of a running system."""

    def __init__(self, client: Client, orders: Orders, *, group: str, seconds: float) -> None:
        """Nothing is submitted before the first call.

        Args:
            client: of the system.
            orders: what may be called.
            group: the agents' group; its memory and files are what they share.
            seconds: a call that has no result by then is cancelled.
        """
        self._client, self._orders, self._group, self._seconds = client, orders, group, seconds
        self._schemas = {one.name: one.parameters for one in orders.offered()}

    def server(self) -> Server[Any]:
        """The server, ready to run."""
        return Server("aios", version=version("aios-celery"), on_list_tools=self._list, on_call_tool=self._call)

    async def _list(
        self, _context: ServerRequestContext[Any], _params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        tools = [
            Tool(name=one.name, description=one.description, input_schema=one.parameters)
            for one in self._orders.offered()
        ]
        return ListToolsResult(tools=tools)

    async def _call(self, _context: ServerRequestContext[Any], params: CallToolRequestParams) -> CallToolResult:
        given = params.arguments or {}
        try:
            order = self._orders.order(params.name, given)
            self._check(params.name, given)
            return _answer(await self._run(order))
        except AiosError as error:
            return _refused(str(error))

    def _check(self, name: str, given: JsonObject) -> None:
        problems = [error.message[:_SHOWN] for error in Draft202012Validator(self._schemas[name]).iter_errors(given)]
        if problems:
            raise BadToolArguments(name, problems)

    async def _run(self, order: JsonObject) -> Json:
        """The result of an agent that does the order; it is cancelled when nobody waits any more."""
        agent = await to_thread.run_sync(lambda: self._client.submit("oneshot", order, groups=[self._group]))
        try:
            waiting = Waiting(None, self._client)
            with anyio.fail_after(self._seconds):
                while True:
                    with waiting.patient():
                        result = await to_thread.run_sync(lambda: self._client.result(agent, timeout=0))
                        if result.ended:
                            return result.unwrap()
                    await anyio.sleep(waiting.pause())
        except TimeoutError:
            await self._cancel(agent)
            raise InvalidArgument("call", order["do"], f"it had no result after {self._seconds} s") from None
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True):
                await self._cancel(agent)
            raise

    async def _cancel(self, agent: str) -> None:
        try:
            await to_thread.run_sync(lambda: self._client.cancel(agent))
        except AiosError:  # it has ended, or will find nobody
            return


async def serve(bridge: Bridge) -> None:
    """Serve one client by standard input and output, until it closes them."""
    server = bridge.server()
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


def _answer(value: Json) -> CallToolResult:
    """A result as text, and as a structure where it is an object."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    structured = value if isinstance(value, dict) else None
    return CallToolResult(content=[TextContent(type="text", text=text)], structured_content=structured)


def _refused(why: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=why)], is_error=True)
