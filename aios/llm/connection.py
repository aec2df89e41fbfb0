"""The HTTP connections of one driver, handed to `huggingface_hub` through its public hook.

`AsyncInferenceClient` opens a new HTTP client per instance (a TLS context each: 20 ms) and keeps every stream it ever
opened until it is closed. So a driver has one `Connection` for all its calls, and makes a cheap `AsyncInferenceClient`
per call, which gets the connection from the hook and, when closed, closes its stream only.
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import httpx2
from huggingface_hub import set_async_client_factory

from aios.errors import Ignored
from aios.llm.transport import StreamTransport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from typing import Self

_LONGEST_LINE_BYTES: Final = 8_000_000
_CHAT_ROUTE: Final = "/chat/completions"  # its streams end with [DONE], after which nobody reads on
_CURRENT: ContextVar[Connection | None] = ContextVar("aios_llm_connection", default=None)
_VALID: ContextVar[Callable[[], bool] | None] = ContextVar("aios_llm_valid", default=None)


class Connection(httpx2.AsyncClient):
    """An HTTP client with the driver's own timeouts; its streams end lines at line feeds only."""

    def __init__(
        self,
        *,
        url: str,
        connect_seconds: float,
        token_seconds: float,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__(
            timeout=httpx2.Timeout(token_seconds, connect=connect_seconds),
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=256, keepalive_expiry=30.0),
            event_hooks={"response": [_read_error]},
            transport=transport or (StreamTransport() if httpx2.URL(url).scheme == "http" else None),
        )

    async def __aenter__(self) -> Self:
        """Lend the connection: whoever enters it did not open it."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Keep it open for the next call; `aclose` closes it."""

    def build_request(self, method: str, url: httpx2.URL | str, **parts: object) -> httpx2.Request:
        """A request. An engine has a handful of URLs, which httpx would parse twice for each."""
        return super().build_request(method, _parsed(str(url)), **parts)  # type: ignore[arg-type]  # as of the base class

    async def send(self, request: httpx2.Request, **options: object) -> httpx2.Response:
        """Send with this connection's timeouts: the hub's client knows but one number for all of them."""
        request.extensions["timeout"] = self.timeout.as_dict()
        valid = _VALID.get()
        if valid is not None and not valid():
            raise Ignored
        response = await super().send(request, **options)  # type: ignore[arg-type]  # the options of the base class
        response.__class__ = _Events
        return response


class _Events(httpx2.Response):
    """A response whose lines end at line feeds, as server-sent events do.

    httpx ends lines where `str.splitlines` does; TGI does not escape U+2028 and its like in JSON, so a token that holds one
    would be cut in two. Comments (TGI's keep-alive) are no sign of life of a generation: silence is measured without them.
    """

    async def aiter_lines(self) -> AsyncIterator[str]:
        clock = asyncio.get_running_loop().time
        patience: float = self.request.extensions["timeout"]["read"]
        rest, heard_at = b"", clock()
        async for chunk in self.aiter_bytes():
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                if line.strip() and not line.startswith(b":"):
                    heard_at = clock()
                    yield line.decode("utf-8", "replace")
            if clock() - heard_at > patience:
                raise httpx2.ReadTimeout("only keep-alive comments", request=self.request)
            if len(rest) > _LONGEST_LINE_BYTES:
                raise httpx2.DecodingError("a line without an end", request=self.request)
        if rest.strip():
            yield rest.decode("utf-8", "replace")
        if self.request.url.path.endswith(_CHAT_ROUTE):
            raise httpx2.RemoteProtocolError("the stream broke off: it has no [DONE]", request=self.request)


@lru_cache(maxsize=256)
def _parsed(url: str) -> httpx2.URL:
    return httpx2.URL(url)


def lend(connection: Connection, *, valid: Callable[[], bool] | None = None) -> None:
    """Let the `AsyncInferenceClient` that this task uses next work through `connection`; `valid` as for `guard`."""
    set_async_client_factory(_current)
    _CURRENT.set(connection)
    guard(valid)


def guard(valid: Callable[[], bool] | None) -> None:
    """Ask `valid` before anything is sent by this task; where it says no, `Ignored` is raised.

    A process may have been stopped since it claimed a call, and the call be somebody else's by now.
    """
    _VALID.set(valid)


def _current() -> httpx2.AsyncClient:
    """The hook: the lent connection, or the hub's own kind of client for other users of the hub in this process."""
    return _CURRENT.get() or httpx2.AsyncClient(follow_redirects=True, timeout=None)  # as the hub's default


async def _read_error(response: httpx2.Response) -> None:
    """Read an error's body before the hub looks for it: of a stream it could not."""
    if response.is_error:
        await response.aread()
