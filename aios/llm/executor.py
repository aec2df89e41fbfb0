"""The executor of the `llm` pool: one generation per syscall, its tokens sent on as they come."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import CancelledError
from contextlib import aclosing
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, NamedTuple, cast

from aios.errors import AiosError, EngineFailed, Ignored, StateLost, SyscallExpired
from aios.kernel.ports import Finish, Forgets, Outcome, Token
from aios.kernel.stops import Stops, find
from aios.kernel.values import clean
from aios.llm.fit import fit
from aios.llm.loop import LoopThread
from aios.llm.names import as_meant, as_spoken
from aios.llm.prompt import prompt_of
from aios.llm.relay import Relay
from aios.log import logger

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence
    from concurrent.futures import Future
    from uuid import UUID

    from aios.kernel.chat import Dropped
    from aios.kernel.ports import Boundary, Claimed, Driver, Prompt, TokenSink, ToolBox
    from aios.kernel.values import Json, JsonObject
    from aios.llm.relay import Feed
    from aios.llm.slices import Journey, Slicer
    from aios.settings import LLMSettings

log = logger(__name__)


class Generated(NamedTuple):
    """A generation's end, the model that it came from, and what that was not shown of the conversation."""

    finish: Finish
    core: str
    dropped: Dropped | None = None


class LLMExecutor:
    """Runs generations of one core on the process's event loop; the tokens of all leave together."""

    def __init__(
        self,
        driver: Driver,
        *,
        sink: TokenSink,
        toolbox: ToolBox,
        settings: LLMSettings,
        slicer: Slicer | None = None,
        loop: LoopThread | None = None,
    ) -> None:
        """Wire it; `slicer` None: no generation is cut."""
        self._driver = driver
        self._relay = Relay(sink)
        self._toolbox = toolbox
        self._settings = settings
        self._slicer = slicer
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
        feed = self._relay.feed(call.id, call.attempt)
        journey = None
        if self._slicer is not None and "slice" in call.payload:
            limit = prompt.sampling.max_tokens or self._settings.max_tokens
            journey = self._slicer.begin(call, limit=limit)
        with self._lock:  # begun and known at once: nobody can cancel what is under way and not known yet
            future = self._running[call.id] = self._loop.submit(self._generate(call, prompt, feed, journey))
        try:
            return self._outcome(feed, future, journey)
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
        self._relay.close()

    def drain(self) -> None:
        """Wait until what calls have said so far has left the process."""
        self._relay.drain()

    def _outcome(self, feed: Feed, future: Future[Generated], journey: Journey | None) -> Outcome:
        try:
            generated = future.result()
        except CancelledError:
            raise Ignored from None
        except AiosError as error:
            feed.end("again" if error.retried else "failed")
            raise
        told = outcome(generated, way=journey.told(generated.finish) if journey else {})
        told = replace(told, after=lambda: feed.end("done"))
        return self._settled(journey, told) if journey is not None and journey.kept else told

    def _settled(self, journey: Journey, told: Outcome) -> Outcome:
        """An outcome that takes the checkpoints along, and then the state that nobody will go on from."""
        slicer, driver, last = self._slicer, self._driver, journey.last
        assert slicer is not None

        def clear(tx: Json) -> Json:
            slicer.checkpoints.clear(tx, journey.call)
            return told.result

        def after() -> None:
            if told.after is not None:
                told.after()
            if isinstance(driver, Forgets) and last is not None and last.state is not None:
                self._loop.submit(driver.forget(last.state))

        return replace(told, effect=clear, after=after)

    async def _generate(self, call: Claimed, prompt: Prompt, feed: Feed, journey: Journey | None) -> Generated:
        seconds = call.seconds_left
        try:
            async with asyncio.timeout(seconds):
                fitted = await fit(
                    as_spoken(prompt),
                    driver=self._driver,
                    strategy=call.payload.get("context", "error"),
                    reply_tokens=self._settings.max_tokens,
                )
                finish = await self._answer(fitted.prompt, feed.add, journey)
                core = finish.core or self._settings.model or (await self._driver.info()).model
                return Generated(as_meant(finish, prompt), core, fitted.dropped)
        except TimeoutError as error:
            raise SyscallExpired(f"{call.pool}.{call.op}", round(seconds, 3)) from error

    async def _answer(self, prompt: Prompt, add: Callable[[Token], None], journey: Journey | None) -> Finish:
        """The generation's end; it begins again where it cannot go on, as long as nothing of it was shown."""
        if journey is None:
            return await self._last(prompt, add, None)
        try:
            return await self._last(journey.of(prompt), add, journey)
        except StateLost as error:
            if journey.done is None or not journey.at_start:
                raise
            log.info("llm %s begins again: %s", journey.call.id, error)
            journey.again()
        return await self._last(journey.of(prompt), add, journey)

    async def _last(self, prompt: Prompt, add: Callable[[Token], None], journey: Journey | None) -> Finish:
        stops = Stops(() if prompt.tools or prompt.schema is not None else prompt.sampling.stop)
        items = cast("AsyncGenerator[Token | Boundary | Finish, None]", self._driver.generate(prompt))
        async with aclosing(items):
            async for item in items:
                if isinstance(item, Token):
                    for token in stops.take(item):
                        add(token)
                elif isinstance(item, Finish):
                    for token in stops.rest():
                        add(token)
                    return without_stop(item, prompt.sampling.stop) if stops.found else item
                elif journey is not None and self._slicer is not None:
                    await self._slicer.cross(journey, item, core=self._driver.name)
        raise EngineFailed(self._driver.name, "it ended without a finish")


def without_stop(finish: Finish, stops: Sequence[str]) -> Finish:
    """A text without the stop string that ended it, and what came with it in the same token: engines differ there."""
    match = find(finish.text, stops)
    return finish if match is None else replace(finish, text=finish.text[: match.start], reason="stop_sequence")


def outcome(generated: Generated, *, way: JsonObject) -> Outcome:
    """What the journal keeps of a generation: the message goes into the context, the rest, its way included, is the result."""
    finish = generated.finish
    message: JsonObject = {"role": "assistant", "content": clean(finish.text)}
    if finish.tool_calls:
        message["tool_calls"] = [call.to_json() for call in finish.tool_calls]
    result: JsonObject = {"finish_reason": finish.reason, "resume": finish.resume, **way}
    if generated.dropped is not None:
        result["context"] = asdict(generated.dropped)
    return Outcome(result=result, message=message, usage=finish.usage, core=generated.core)
