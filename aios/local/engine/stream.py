"""Answers that notice when their client leaves: server-sent events, and one JSON value."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Self

from starlette.responses import Response

from aios.local.engine.refusal import Cut, severed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
    from types import TracebackType

    from starlette.types import Receive, Scope, Send

    from aios.local.engine.exchange import Exchange

_SILENCE_SECONDS = 15.0  # after so long without a frame TGI sends a comment
_COMMENT = b": \n\n"


class Listening:
    """Cancels its block when the client closes the connection, and swallows that cancellation: then `left` is set.

    The same technique as `asyncio.timeout`. Nothing in `__aenter__` and `__aexit__` may suspend, so that the cancellation
    can only land inside the block.
    """

    def __init__(
        self,
        receive: Receive,
        *,
        on_silence: Callable[[], Awaitable[None]] | None = None,
        silence_seconds: float = _SILENCE_SECONDS,
    ) -> None:
        self.left = False
        self._receive = receive
        self._on_silence = on_silence
        self._silence_seconds = silence_seconds if on_silence else None

    async def __aenter__(self) -> Self:
        """Start to listen."""
        task = asyncio.current_task()
        assert task is not None
        self._block = task
        self._ear = asyncio.create_task(self._listen())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Stop listening."""
        self._ear.cancel()
        return self.left and kind is asyncio.CancelledError and self._block.uncancel() == 0

    async def _listen(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._silence_seconds):
                    message = await self._receive()
            except TimeoutError:
                if self._on_silence:
                    await self._on_silence()
                continue
            if message["type"] == "http.disconnect":
                self.left = True
                self._block.cancel()
                return


class EventStream(Response):
    """Frames as they come, one write per batch; the exchange ends with the last one or with the client.

    A `Cut` raised by the frames leaves the answer without its end, and the server drops the connection.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        frames: AsyncGenerator[bytes, None],
        *,
        headers: Mapping[str, str],
        exchange: Exchange | None = None,
        silence_seconds: float = _SILENCE_SECONDS,
    ) -> None:
        self._frames = frames
        self._exchange = exchange
        self._written = False
        self._silence_seconds = silence_seconds
        self.status_code = 200
        self.background = None
        said = {"content-type": self.media_type, "cache-control": "no-cache", **headers}
        self.raw_headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in said.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        del scope

        async def comment() -> None:
            if not self._written:
                await send({"type": "http.response.body", "body": _COMMENT, "more_body": True})
            self._written = False

        try:
            async with Listening(receive, on_silence=comment, silence_seconds=self._silence_seconds):
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                await self._write(send)
        except Cut:
            if self._exchange is not None:
                self._exchange.fail(severed())
        finally:
            if self._exchange is not None:
                self._exchange.close()

    async def _write(self, send: Send) -> None:
        async with aclosing(self._frames) as frames:
            async for frame in frames:
                self._written = True
                await send({"type": "http.response.body", "body": frame, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class Severed(Response):
    """Half an answer and a closed connection: what a client sees of an engine that died."""

    def __init__(self) -> None:
        super().__init__(b"{", headers={"content-length": "2"}, media_type="application/json")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with one byte of the two that were promised."""
        del scope, receive
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
