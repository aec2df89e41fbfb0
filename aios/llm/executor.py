"""The executor of the `llm` pool: one generation per syscall, its tokens sent on as they come."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from concurrent.futures import CancelledError
from contextlib import aclosing
from dataclasses import asdict
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from aios.errors import AiosError, EngineFailed, Ignored, SyscallExpired
from aios.kernel.ports import Finish, Outcome, Token
from aios.kernel.values import clean
from aios.llm.fit import fit
from aios.llm.loop import LoopThread
from aios.llm.prompt import prompt_of
from aios.log import logger

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence
    from concurrent.futures import Future
    from uuid import UUID

    from aios.kernel.chat import Dropped
    from aios.kernel.ports import Claimed, Driver, Prompt, TokenSink, ToolBox
    from aios.kernel.values import JsonObject
    from aios.settings import LLMSettings

log = logger(__name__)

FLUSH_SECONDS: Final = 0.025
FLUSH_TOKENS: Final = 64
_SINK_PAUSE_SECONDS: Final = 5.0  # after a failure of the sink no call waits for it again, for this long


class Generated(NamedTuple):
    """A generation's end, the model that it came from, and what that was not shown of the conversation."""

    finish: Finish
    core: str
    dropped: Dropped | None = None


class LLMExecutor:
    """Runs generations of one core on the process's event loop; each calling thread sends its call's tokens on."""

    def __init__(
        self,
        driver: Driver,
        *,
        sink: TokenSink,
        toolbox: ToolBox,
        settings: LLMSettings,
        loop: LoopThread | None = None,
    ) -> None:
        self._driver = driver
        self._sink = _Sturdy(sink)
        self._toolbox = toolbox
        self._settings = settings
        self._loop = loop or LoopThread()
        self._running: dict[UUID, Future[Generated]] = {}
        self._lock = threading.Lock()

    def perform(self, call: Claimed) -> Outcome:
        """Generate the answer.

        Raises:
            Ignored: `cancel` was called.
            SyscallExpired: the whole call took too long.
            AiosError: what the driver raised.
        """
        prompt = prompt_of(call, spec=self._toolbox.spec)
        feed = Feed()
        future = self._loop.submit(self._generate(call, prompt, feed))
        future.add_done_callback(lambda _: feed.close())
        with self._lock:
            self._running[call.id] = future
        try:
            return self._relay(call, feed, future)
        finally:
            with self._lock:
                self._running.pop(call.id, None)

    def cancel(self, syscall: UUID) -> None:
        """Stop the generation, if it is under way here; the core's stream closes with it."""
        with self._lock:
            future = self._running.get(syscall)
        if future is not None:
            future.cancel()

    def close(self) -> None:
        """Cancel what runs, close the driver's connections and the event loop."""
        with self._lock:
            running = list(self._running.values())
        for future in running:
            future.cancel()
        self._loop.run(self._driver.aclose(), timeout_seconds=5.0)
        self._loop.close()

    def _relay(self, call: Claimed, feed: Feed, future: Future[Generated]) -> Outcome:
        for tokens in feed:
            self._sink.push(call.id, call.attempt, tokens)
        try:
            finish, core, dropped = future.result()
        except CancelledError:
            raise Ignored from None
        except AiosError as error:
            self._sink.end(call.id, call.attempt, "again" if error.retried else "failed", feed.rest)
            raise
        self._sink.end(call.id, call.attempt, "done", feed.rest)
        return outcome(finish, core=core, dropped=dropped)

    async def _generate(self, call: Claimed, prompt: Prompt, feed: Feed) -> Generated:
        seconds = call.seconds_left
        feed.start(asyncio.get_running_loop().call_later)
        try:
            async with asyncio.timeout(seconds):
                fitted = await fit(
                    prompt,
                    driver=self._driver,
                    strategy=call.payload.get("context", "error"),
                    reply_tokens=self._settings.max_tokens,
                )
                finish = await self._last(fitted.prompt, feed.add)
                core = finish.core or self._settings.model or (await self._driver.info()).model
                return Generated(finish, core, fitted.dropped)
        except TimeoutError as error:
            raise SyscallExpired(f"{call.pool}.{call.op}", round(seconds, 3)) from error

    async def _last(self, prompt: Prompt, add: Callable[[Token], None]) -> Finish:
        tokens = cast("AsyncGenerator[Token | Finish, None]", self._driver.generate(prompt))
        async with aclosing(tokens):
            async for token in tokens:
                if isinstance(token, Finish):
                    return token
                add(token)
        raise EngineFailed(self._driver.name, "it ended without a finish")


def outcome(finish: Finish, *, core: str, dropped: Dropped | None = None) -> Outcome:
    """What the journal keeps of a generation: the message goes into the context, the rest is the result."""
    message: JsonObject = {"role": "assistant", "content": clean(finish.text)}
    if finish.tool_calls:
        message["tool_calls"] = [call.to_json() for call in finish.tool_calls]
    result: JsonObject = {"finish_reason": finish.reason}
    if dropped is not None:
        result["context"] = asdict(dropped)
    return Outcome(result=result, message=message, usage=finish.usage, core=core)


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


class _Sturdy:
    """A sink whose failures cost tokens on the way, never an answer; the first of a row is logged."""

    def __init__(self, sink: TokenSink) -> None:
        self._sink = sink
        self._quiet_until = 0.0
        self._failed = False

    def push(self, syscall: UUID, attempt: int, tokens: Sequence[Token]) -> None:
        self._try(lambda: self._sink.push(syscall, attempt, tokens))

    def end(self, syscall: UUID, attempt: int, reason: str, tokens: Sequence[Token]) -> None:
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
