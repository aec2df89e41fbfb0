"""Tokens on their way out: those of all calls of a process leave together, in one round trip, on a thread of their own.

An engine that decodes many sequences gives a token of each at the same moment. Sent one by one, each costs a round trip and
the waking of a thread: 0.3 ms of CPU a token, more than all else that a long answer costs.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from typing import TYPE_CHECKING, Final

from aios.errors import AiosError
from aios.kernel.ports import Batch
from aios.log import logger

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from aios.kernel.ports import Token, TokenSink

log = logger(__name__)

FLUSH_SECONDS: Final = 0.025
_SINK_PAUSE_SECONDS: Final = 5.0  # after a failure of the sink nothing waits for it again, for this long
_LAST_SECONDS: Final = 2.0  # at the end of the process


class Feed:
    """The tokens of one call that have not left yet."""

    def __init__(self, relay: Relay, syscall: UUID, attempt: int) -> None:
        self._relay = relay
        self._syscall = syscall
        self._attempt = attempt
        self._tokens: list[Token] = []
        self._last = 0

    def add(self, token: Token) -> None:
        """Send a token, together with all that come in the next 25 ms. For the event loop."""
        self._tokens.append(token)
        if len(self._tokens) == 1:
            self._relay.leaves_soon(self)

    def end(self, reason: str) -> None:
        """Send what is left, and that the attempt is over: `done`, `failed` or `again`. No token is added any more."""
        self._relay.leaves_now(self, reason)

    def take(self, reason: str = "") -> Batch:
        """What has not left yet."""
        tokens, self._tokens = self._tokens, []
        self._last = tokens[-1].index if tokens else self._last
        return Batch(self._syscall, self._attempt, tokens, reason, self._last)


class Relay:
    """Sends the tokens of a process' calls on, in the order in which they came.

    A sink that fails costs tokens on the way, never an answer; the first failure of a row is logged.
    """

    def __init__(self, sink: TokenSink) -> None:
        self._sink = sink
        self._lock = threading.Lock()
        self._soon: dict[Feed, None] = {}
        self._outbox: queue.SimpleQueue[list[Batch] | threading.Event | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._quiet_until = 0.0
        self._failed = False

    def feed(self, syscall: UUID, attempt: int) -> Feed:
        """For the tokens of one call."""
        return Feed(self, syscall, attempt)

    def leaves_soon(self, feed: Feed) -> None:
        """Send what a feed holds within 25 ms. For the event loop."""
        with self._lock:
            first = not self._soon
            self._soon[feed] = None
        if first:
            asyncio.get_running_loop().call_later(FLUSH_SECONDS, self._flush)

    def leaves_now(self, feed: Feed, reason: str) -> None:
        """Send what a feed holds, and its end."""
        with self._lock:
            self._post([feed.take(reason)])

    def drain(self) -> None:
        """Wait until all that left before has arrived, or was given up."""
        arrived = threading.Event()
        with self._lock:
            self._post(arrived)
        arrived.wait(_LAST_SECONDS)

    def close(self) -> None:
        """Send what is on its way, and end."""
        with self._lock:
            self._closed = True
            self._outbox.put(None)
        if self._thread is not None:
            self._thread.join(_LAST_SECONDS)

    def _flush(self) -> None:
        with self._lock:
            batches = [batch for batch in (feed.take() for feed in self._soon) if batch.tokens]
            self._soon.clear()
            if batches:
                self._post(batches)

    def _post(self, what: list[Batch] | threading.Event) -> None:
        """Hand something to the thread, which begins with the first, so that a fork before is safe."""
        self._outbox.put(what)
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(target=self._serve, name="aios-tokens", daemon=True)
            self._thread.start()

    def _serve(self) -> None:
        going = True
        while going:
            found = [self._outbox.get()]
            while not self._outbox.empty():  # what came while the last was under way leaves together, too
                found.append(self._outbox.get())
            self._send([batch for one in found if isinstance(one, list) for batch in one])
            for one in found:
                if isinstance(one, threading.Event):
                    one.set()
            going = None not in found

    def _send(self, batches: Sequence[Batch]) -> None:
        if not batches or time.monotonic() < self._quiet_until:
            return
        try:
            self._sink.send(batches)
        except Exception as error:  # this thread serves all calls, and nobody would start another one
            self._quiet_until = time.monotonic() + _SINK_PAUSE_SECONDS
            if not self._failed:
                log.warning("tokens are not streamed for now: %s", error, exc_info=not isinstance(error, AiosError))
            self._failed = True
        else:
            self._failed = False
