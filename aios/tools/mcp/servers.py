"""All MCP servers of this process: connected on demand, again after they died, and let go when nobody uses them."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from anyio.from_thread import start_blocking_portal

from aios.errors import ToolNotReached, ToolSchemaChanged, UnknownTool, did_you_mean
from aios.kernel.chat import ToolSpec
from aios.kernel.plan import ToolInfo
from aios.kernel.words import Effect
from aios.tools.mcp import pins
from aios.tools.mcp.connection import Connection
from aios.tools.mcp.offer import Offer, check, result
from aios.tools.tool import Tool

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from anyio.from_thread import BlockingPortal

    from aios.db.session import Database
    from aios.kernel.values import Json, JsonObject
    from aios.settings import McpSettings
    from aios.tools.caller import Caller
    from aios.tools.mcp.pins import Pin

_FRESH_SECONDS: Final = 2.0
_LONGEST_PAUSE_SECONDS: Final = 30.0
_MANY: Final = 5  # deaths in a row, after which the pause grows no more


class McpServers:
    """Finds tools of the form `<server>.<tool>` and calls them."""

    def __init__(self, settings: Sequence[McpSettings], database: Callable[[], Database]) -> None:
        """Connect to nothing yet.

        Args:
            settings: of the servers.
            database: where pins are; asked for when the first tool of a server is.
        """
        self._settings = {server.name: server for server in settings}
        self._database = database
        self._servers = {name: _Server(server, self._portal) for name, server in self._settings.items()}
        self._stack = ExitStack()
        self._running: BlockingPortal | None = None
        self._lock = threading.Lock()

    def names(self) -> list[str]:
        """The servers that are configured."""
        return sorted(self._settings)

    def info(self, name: str) -> ToolInfo | None:
        """What planning must know of a tool; None if it belongs to no server. Whether the server has it shows later."""
        server, _, tool = name.partition(".")
        settings = self._settings.get(server)
        if settings is None or not tool:
            return None
        return ToolInfo(
            name, Effect(settings.effects.get(tool, settings.effect)), settings.seconds, settings.limit or None
        )

    def find(self, name: str) -> Tool | None:
        """A tool as the registry has them; None if it belongs to no server.

        Raises:
            UnknownTool: the server has none of that name.
            ToolNotReached: nobody has met the server yet, and it cannot be reached.
            ToolSchemaChanged: what it offers is not what was accepted.
        """
        info = self.info(name)
        if info is None:
            return None
        server, _, tool = name.partition(".")
        offer = self._accepted(server, tool)

        def call(arguments: JsonObject, caller: Caller) -> Json:
            check(name, offer, arguments)
            return self._call(server, tool, offer, arguments, seconds=caller.seconds)

        spec = ToolSpec(name, offer.description, offer.parameters)
        return Tool(spec, call, AsGiven(), info.effect, info.seconds, info.limit)

    def pinned(self, server: str | None = None) -> list[Pin]:
        """The tools of one server, or of all, as they were accepted and as they were offered last."""
        with self._database().statement() as tx:
            return pins.load(tx, server)

    def meet(self, server: str) -> list[Pin]:
        """Connect to a server, store what it offers now, and give its tools.

        Raises:
            UnknownTool: there is no such server.
            ToolNotReached: it cannot be reached.
        """
        if server not in self._servers:
            raise UnknownTool(f"{server}.", did_you_mean(server, self._settings))
        self._connected(server)
        return self.pinned(server)

    def accept(self, server: str, tool: str | None = None, *, digest: str | None = None) -> int:
        """Accept what a server offered last, of one tool or of all; gives how many changed.

        Raises:
            InvalidArgument: `digest` is not that of what the tool is offered as now.
        """
        with self._database().transaction() as tx:
            return pins.accept(tx, server, tool, digest=digest)

    def close(self) -> None:
        """End all connections and the servers that are processes of ours."""
        for server in self._servers.values():
            server.close()
        with self._lock:
            self._running = None
            self._stack.close()

    def _accepted(self, server: str, tool: str) -> Offer:
        state = self._servers[server]
        known = state.pins.get(tool) if state.pins is not None else None
        if state.pins is None or known is None or known.state != "accepted" or time.monotonic() > state.pins_until:
            found = self.pinned(server) or self.meet(server)
            state.pins = {pin.tool: pin for pin in found}
            state.pins_until = time.monotonic() + _FRESH_SECONDS
        pin = state.pins.get(tool)
        if pin is None or pin.state == "gone":
            raise UnknownTool(
                f"{server}.{tool}", did_you_mean(f"{server}.{tool}", [f"{server}.{n}" for n in state.pins])
            )
        if pin.accepted is None or pin.state == "changed":
            raise ToolSchemaChanged(f"{server}.{tool}", pin.state)
        return pin.accepted

    def _call(self, server: str, tool: str, offer: Offer, arguments: JsonObject, *, seconds: float) -> Json:
        until = time.monotonic() + seconds
        connection = self._connected(server)
        now = connection.offers.get(tool)
        if now is None or now.digest != offer.digest:
            raise ToolSchemaChanged(f"{server}.{tool}", "changed" if now else "gone")
        return result(
            f"{server}.{tool}", connection.call(tool, arguments, seconds=max(until - time.monotonic() - 0.2, 0.1))
        )

    def _connected(self, server: str) -> Connection:
        """The live connection, a new one if need be; what a server offers is compared with the pins each time it is met."""
        state = self._servers[server]
        connection, new = state.connection()
        if new:
            with self._database().transaction() as tx:
                pins.offered(tx, server, connection.offers.values())
            state.pins = None
        return connection

    def _portal(self) -> BlockingPortal:
        """The event loop of all connections, on a thread of its own that starts with the first."""
        with self._lock:
            if self._running is None:
                self._running = self._stack.enter_context(start_blocking_portal(name="aios-mcp"))
            return self._running


class AsGiven:
    """The arguments of a tool whose schema is somebody else's: checked in the call itself, under its time limit."""

    schema: Mapping[str, object] = {}

    def bind(self, tool: str, given: Json, *, caller: Caller) -> dict[str, object]:
        """The keyword arguments of the function."""
        del tool
        return {"arguments": given, "caller": caller}


@dataclass
class _Server:
    """One server: its connection, and how it fared lately."""

    settings: McpSettings
    portal: Callable[[], BlockingPortal]
    pins: dict[str, Pin] | None = None
    pins_until: float = 0.0
    _live: Connection | None = None
    _deaths: int = 0
    _since: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def connection(self) -> tuple[Connection, bool]:
        """The live connection, and whether it is new.

        Raises:
            ToolNotReached: it cannot be reached, or has just died so often that it gets a pause.
        """
        with self._lock:
            if self._live is not None and not self._live.closed:
                return self._live, False
            self._rest()
            self._deaths += 1
            try:
                self._live = Connection(self.portal(), self.settings)
            finally:  # of one that did not come up the pause begins now, however long it took to fail
                self._since = time.monotonic()
            return self._live, True

    def _rest(self) -> None:
        lived = time.monotonic() - self._since
        if self._live is None and not self._deaths:
            return
        if lived > _LONGEST_PAUSE_SECONDS:
            self._deaths = 0
        pause = min(_LONGEST_PAUSE_SECONDS, 0.1 * 4 ** min(self._deaths - 1, _MANY)) if self._deaths > 1 else 0.0
        if lived < pause:
            why = f"it has died {self._deaths} times in a row; it is started again in {pause - lived:.1f} s"
            raise ToolNotReached(self.settings.name, "its server", why)

    def close(self) -> None:
        """End the connection."""
        with self._lock:
            if self._live is not None:
                self._live.close()
                self._live = None
