"""Tokens on their way out: from the event loop to the calling thread in batches, and from there into a sink that may fail."""

from __future__ import annotations

import queue
import time
from typing import TYPE_CHECKING, Final

from aios.errors import AiosError
from aios.log import logger

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from aios.kernel.ports import Token, TokenSink

log = logger(__name__)

FLUSH_SECONDS: Final = 0.025
FLUSH_TOKENS: Final = 64
_SINK_PAUSE_SECONDS: Final = 5.0  # after a failure of the sink no call waits for it again, for this long


class Feed:
    """Tokens on their way from the event loop to the calling thread, in batches: iterate it there until it is closed.

    Attributes:
        rest: the last batch, once it is closed; it is sent together with the end.
    """

    def __init__(self) -> None:
        self._batches: queue.SimpleQueue[list[Token] | None] = queue.SimpleQueue()
        self._call_later: Callable[[float, Callable[[], None]], asyncio.TimerHandle] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self.rest: list[Token] = []

    def start(self, call_later: Callable[[float, Callable[[], None]], asyncio.TimerHandle]) -> None:
        """Begin, on the event loop whose `call_later` this is."""
        self._call_later = call_later

    def add(self, token: Token) -> None:
        """Send a token, at once or with the next ones."""
        assert self._call_later is not None
        self.rest.append(token)
        if len(self.rest) >= FLUSH_TOKENS:
            self._flush()
        elif self._timer is None:
            self._timer = self._call_later(FLUSH_SECONDS, self._flush)

    def close(self) -> None:
        """No more tokens; what is left stays in `rest`."""
        self._closed = True
        self._batches.put(None)

    def __iter__(self) -> Feed:
        """The batches, as they come."""
        return self

    def __next__(self) -> list[Token]:
        """Wait for the next batch."""
        batch = self._batches.get()
        if batch is None:
            raise StopIteration
        return batch

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.rest and not self._closed:
            self._batches.put(self.rest)
            self.rest = []


class Sturdy:
    """A sink whose failures cost tokens on the way, never an answer; the first of a row is logged."""

    def __init__(self, sink: TokenSink) -> None:
        self._sink = sink
        self._quiet_until = 0.0
        self._failed = False

    def push(self, syscall: UUID, attempt: int, tokens: Sequence[Token]) -> None:
        """Append tokens, or lose them."""
        self._try(lambda: self._sink.push(syscall, attempt, tokens))

    def end(self, syscall: UUID, attempt: int, reason: str, tokens: Sequence[Token]) -> None:
        """Mark the end of an attempt, or not."""
        self._try(lambda: self._sink.end(syscall, attempt, reason, tokens))

    def _try(self, send: Callable[[], None]) -> None:
        if time.monotonic() < self._quiet_until:
            return
        try:
            send()
        except AiosError as error:
            self._quiet_until = time.monotonic() + _SINK_PAUSE_SECONDS
            if not self._failed:
                log.warning("tokens are not streamed for now: %s", error)
            self._failed = True
        else:
            self._failed = False
