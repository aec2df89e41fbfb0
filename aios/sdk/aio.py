"""The client for asyncio: the same methods, each on a thread, over one `Client`."""

from __future__ import annotations

import asyncio
import functools
import inspect
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Final, ParamSpec, Self, TypeVar

from aios.kernel.words import DEFAULT_PRIORITY
from aios.sdk.client import Client, Result
from aios.sdk.stream import text_of
from aios.sdk.waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
    from datetime import timedelta
    from types import TracebackType

    from aios.kernel.values import Json, JsonObject
    from aios.sdk.stream import Event
    from aios.settings import Settings
    from aios.worker.system import Pruned


P = ParamSpec("P")
T = TypeVar("T")
_Client = TypeVar("_Client")

_THREADS: Final = 16


def _with_twins(kind: type[_Client]) -> type[_Client]:
    """Give a class every method of `Client` that it does not define itself: the same one, on a thread."""
    for name, method in inspect.getmembers(Client, inspect.isfunction):
        if not name.startswith("_") and name != "close" and not hasattr(kind, name):
            setattr(kind, name, _twin(method))
    return kind


def _twin(method: Callable[..., object]) -> Callable[..., Awaitable[object]]:
    @functools.wraps(method)
    async def twin(self: AsyncClient, *args: object, **kwargs: object) -> object:
        return await self._call(functools.partial(method, self._client), *args, **kwargs)

    return twin


@_with_twins
class AsyncClient:
    """Speaks to one AIOS from an event loop. Methods, errors and arguments are those of `Client`."""

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]: ...

    def __init__(self, settings: Settings | None = None, **values: object) -> None:
        """Connect on first use.

        Args:
            settings: made elsewhere; None: as `aios.settings.load(**values)` finds them.
            **values: fields of the settings, such as `data_dir` or `database_url`.
        """
        self._client = Client(settings, **values)
        self.settings = self._client.settings
        # Threads of its own: those of the event loop would be held by waits, and `aclose` could not wait for them.
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="aios-client")

    async def submit(
        self,
        program: str,
        task: Json,
        *,
        priority: int = DEFAULT_PRIORITY,
        budgets: JsonObject | None = None,
        idempotency_key: str | None = None,
        tenant: str = "default",
        owner: str = "",
        groups: Sequence[str] = (),
    ) -> str:
        """Put an agent in the process table and ring; gives its id. It is durable when this returns."""
        return await self._call(
            self._client.submit,
            program,
            task,
            priority=priority,
            budgets=budgets,
            idempotency_key=idempotency_key,
            tenant=tenant,
            owner=owner,
            groups=groups,
        )

    async def fork(self, agent: str, *, at: int, edit: Json = None) -> str:
        """Start a new agent that shares an agent's journal up to request `at`, and goes on from there; gives its id."""
        return await self._call(self._client.fork, agent, at=at, edit=edit)

    async def result(self, agent: str, *, timeout: float | timedelta | None = None) -> Result:  # noqa: ASYNC109
        """Wait until an agent has ended; after `timeout` (0: at once) give where it is."""
        waiting = Waiting(timeout, self._client)
        while True:
            with waiting.patient():
                found = await self._call(self._client.result, agent, timeout=0)
                if found.ended or waiting.over:
                    return found
            await asyncio.sleep(waiting.pause())

    async def run(
        self,
        program: str,
        task: Json,
        *,
        timeout: float | None = None,  # noqa: ASYNC109
        priority: int = DEFAULT_PRIORITY,
    ) -> Json:
        """Submit, wait, and give the value."""
        agent = await self.submit(program, task, priority=priority)
        return (await self.result(agent, timeout=timeout)).unwrap()

    async def get(self, agent: str) -> JsonObject:
        """One agent's row of the process table."""
        return await self._call(self._client.get, agent)

    async def list(self, *, state: str | None = None, limit: int = 100) -> Sequence[JsonObject]:
        """The newest agents, newest first."""
        return await self._call(self._client.list, state=state, limit=limit)

    async def find(self, part: str) -> str:
        """The id of the one agent whose id begins or ends with `part`; `last`: the newest agent."""
        return await self._call(self._client.find, part)

    async def journal(self, agent: str) -> Sequence[JsonObject]:
        """An agent's syscalls in order, with how long each waited and ran, in milliseconds."""
        return await self._call(self._client.journal, agent)

    async def stream(self, agent: str) -> AsyncIterator[str]:
        """An agent's tokens as they come, until it has ended: every text once and in order."""
        async for event in self.watch(agent):
            if text := text_of(event):
                yield text

    async def watch(self, agent: str, *, wait: bool = True) -> AsyncIterator[Event]:
        """The same with beginnings and ends of syscalls, and a `Silence` at least once per second."""
        events: Iterator[Event] = self._client.watch(agent, wait=wait)
        while (event := await self._call(_following, events)) is not None:
            yield event

    async def cancel(self, agent: str) -> Sequence[str]:
        """Cancel an agent and its children; gives the ids of those that were cancelled."""
        return await self._call(self._client.cancel, agent)

    async def pause(self, agent: str) -> Sequence[str]:
        """Start nothing more of an agent and its children; what runs ends."""
        return await self._call(self._client.pause, agent)

    async def resume(self, agent: str) -> Sequence[str]:
        """Let a paused agent and its children go on."""
        return await self._call(self._client.resume, agent)

    async def nice(self, agent: str, priority: int) -> Sequence[str]:
        """Give an agent and its children, and what they have waiting, another priority: 0 (most urgent) to 9."""
        return await self._call(self._client.nice, agent, priority)

    async def questions(self, agent: str | None = None) -> Sequence[JsonObject]:
        """Questions of `agent.ask` that wait for a human: of one agent, or of all."""
        return await self._call(self._client.questions, agent)

    async def answer(self, agent: str, answer: Json, *, seq: str | None = None) -> None:
        """Answer an agent's oldest open question, or the one of request `seq`."""
        await self._call(self._client.answer, agent, answer, seq=seq)

    async def retry(self, agent: str) -> None:
        """Let a failed agent go on from its journal, as after a fix of its program."""
        await self._call(self._client.retry, agent)

    async def programs(self) -> Sequence[JsonObject]:
        """The programs that workers have loaded, with their sources and errors."""
        return await self._call(self._client.programs)

    async def schedule(
        self,
        name: str,
        cron: str,
        program: str,
        task: Json,
        *,
        timezone: str = "UTC",
        priority: int = DEFAULT_PRIORITY,
        replace: bool = False,
    ) -> JsonObject:
        """Start an agent at every tick of a cron expression."""
        return await self._call(
            self._client.schedule, name, cron, program, task, timezone=timezone, priority=priority, replace=replace
        )

    async def schedules(self) -> Sequence[JsonObject]:
        """All schedules by name, each with when it is due next and its last run."""
        return await self._call(self._client.schedules)

    async def unschedule(self, name: str) -> None:
        """Forget a schedule and its history; agents that it started go on."""
        await self._call(self._client.unschedule, name)

    async def run_now(self, name: str) -> str:
        """Start a schedule's agent now, besides its ticks; gives the agent's id."""
        return await self._call(self._client.run_now, name)

    async def schedule_history(self, name: str, *, limit: int = 100) -> Sequence[JsonObject]:
        """A schedule's runs, newest first."""
        return await self._call(self._client.schedule_history, name, limit=limit)

    async def counters(self) -> dict[str, int]:
        """What recovery has done since the database was made."""
        return await self._call(self._client.counters)

    async def prune(self, *, older_than: timedelta | None = None) -> Pruned:
        """Remove agents that ended longer ago than that, with their journals, memories and files; gives how much went."""
        return await self._call(self._client.prune, older_than=older_than)

    async def aclose(self) -> None:
        """Close the connections, after what cancelled coroutines left behind has ended."""
        await asyncio.to_thread(self._close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(function, *args, **kwargs))

    def _close(self) -> None:
        self._threads.shutdown(wait=True)
        self._client.close()


def _following(events: Iterator[Event]) -> Event | None:
    return next(events, None)
