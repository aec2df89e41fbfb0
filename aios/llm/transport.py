"""HTTP/1.1 to one engine, on asyncio's own streams.

httpx's default transport (httpcore, h11, anyio) takes 1.2 ms of CPU for a stream of 16 events and 0.6 ms for a small JSON
answer; this one a third of it, which every LLM syscall feels. It does what an engine's plain `http://` URL needs: kept-alive
connections, bodies by length, in chunks or until closed, one write per request. TLS and proxies stay with httpx's own.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import httpx2

from aios.llm import http1

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

_IDLE_SECONDS: Final = 30.0
_READ_BYTES: Final = 65536
_HEAD_BYTES: Final = 65536


@dataclass
class _Line:
    """One connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    idle_since: float = 0.0

    def fresh(self) -> bool:
        """Whether it can carry another request: not closed by the engine meanwhile, and not idle for too long."""
        closed = self.reader.at_eof() or self.reader.exception() is not None or self.writer.is_closing()
        closed = closed or bool(self.reader._buffer)  # type: ignore[attr-defined]  # noqa: SLF001  # nobody asked: a farewell
        return not closed and time.monotonic() - self.idle_since < _IDLE_SECONDS

    def drop(self) -> None:
        """Close it at once: the engine notices, whatever it was doing for us."""
        self.writer.transport.abort()


class StreamTransport(httpx2.AsyncBaseTransport):
    """A transport for `http://` URLs. Like asyncio's streams it belongs to one event loop."""

    def __init__(self) -> None:
        self._idle: dict[tuple[str, int], list[_Line]] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request, read the head of its answer."""
        body = await request.aread()
        limits = request.extensions["timeout"]
        place = (request.url.host, request.url.port or 80)
        line = self._kept(place) or await _connect(place, request, limits["connect"])
        try:
            line.writer.write(_head(request) + body)
            head = await _answer(line, request, limits["read"])
            stream = _Stream(self, place, line, head, request)
        except http1.Malformed as error:
            line.drop()
            raise httpx2.RemoteProtocolError(str(error), request=request) from error
        except BaseException:  # a cancelled call, too: the engine notices at once that nobody listens
            line.drop()
            raise
        return httpx2.Response(head.status, headers=head.headers, stream=stream, request=request)

    async def aclose(self) -> None:
        """Close the connections that are not in use."""
        for lines in self._idle.values():
            for line in lines:
                line.drop()
        self._idle.clear()

    def keep(self, place: tuple[str, int], line: _Line) -> None:
        """Keep a connection for the next request."""
        line.idle_since = time.monotonic()
        self._idle.setdefault(place, []).append(line)

    def _kept(self, place: tuple[str, int]) -> _Line | None:
        lines = self._idle.get(place, [])
        while lines:
            line = lines.pop()  # the one used last: the others may grow old
            if line.fresh():
                return line
            line.drop()
        return None


class _Stream(httpx2.AsyncByteStream):
    """A body under way. Closed before its end, it closes the connection; else the connection is kept."""

    def __init__(
        self, transport: StreamTransport, place: tuple[str, int], line: _Line, head: http1.Head, request: httpx2.Request
    ) -> None:
        self._transport = transport
        self._place = place
        self._line = line
        self._keeps_alive = head.keeps_alive
        self._body = head.body()
        self._request = request
        self._closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        seconds = self._request.extensions["timeout"]["read"]
        while not self._body.done:
            with _as_read_error(self._request):
                async with asyncio.timeout(seconds):
                    data = await self._line.reader.read(_READ_BYTES)
            if not data:
                if self._body.reusable:
                    raise httpx2.RemoteProtocolError("the connection was closed in mid-answer", request=self._request)
                return
            try:
                part = self._body.feed(data)
            except http1.Malformed as error:
                raise httpx2.RemoteProtocolError(str(error), request=self._request) from error
            if part:
                yield part

    async def aclose(self) -> None:
        """Keep the connection, or close it."""
        if self._closed:
            return
        self._closed = True
        if self._body.done and self._body.reusable and self._keeps_alive:
            self._transport.keep(self._place, self._line)
        else:
            self._line.drop()


def _head(request: httpx2.Request) -> bytes:
    lines = [b"%s %s HTTP/1.1" % (request.method.encode(), request.url.raw_path)]
    lines += [b"%s: %s" % (name, value) for name, value in request.headers.raw]
    block = b"\r\n".join(lines)
    if block.count(b"\n") != len(lines) - 1 or block.count(b"\r") != len(lines) - 1:
        raise httpx2.LocalProtocolError("a header holds a line end", request=request)
    return block + b"\r\n\r\n"


async def _connect(place: tuple[str, int], request: httpx2.Request, seconds: float) -> _Line:
    try:
        async with asyncio.timeout(seconds):
            return _Line(*await asyncio.open_connection(*place, limit=_HEAD_BYTES))
    except TimeoutError as error:
        raise httpx2.ConnectTimeout(f"no connection within {seconds} s", request=request) from error
    except OSError as error:
        raise httpx2.ConnectError(str(error), request=request) from error


async def _answer(line: _Line, request: httpx2.Request, seconds: float) -> http1.Head:
    """The head of the answer; interim ones (1xx) are left out."""
    while True:
        with _as_read_error(request):
            async with asyncio.timeout(seconds):
                block = await line.reader.readuntil(b"\r\n\r\n")
        found = http1.head(block[:-4])
        if found.status >= httpx2.codes.OK:
            return found


@contextmanager
def _as_read_error(request: httpx2.Request) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise httpx2.ReadTimeout("no answer in time", request=request) from error
    except asyncio.IncompleteReadError as error:
        raise httpx2.RemoteProtocolError("the connection was closed without an answer", request=request) from error
    except asyncio.LimitOverrunError as error:
        raise httpx2.RemoteProtocolError("the answer's head does not end", request=request) from error
    except OSError as error:
        raise httpx2.ReadError(str(error) or type(error).__name__, request=request) from error
