"""The router: the driver of several cores. It chooses one for each call, and another one when that fails.

A call that fails before its first token goes to the next core at once; afterwards it is given back to the scheduler, since a
stream that was begun cannot begin again under the same attempt. Neither uses an attempt while another core is there. With a
single core there is nothing to choose, and nothing is asked of Redis.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, TypeVar, cast
from uuid import uuid4

from aios.errors import (
    AiosError,
    EngineFailed,
    EngineLost,
    EngineOverloaded,
    EngineTimeout,
    EngineUnreachable,
    Misconfigured,
    UnknownModel,
    did_you_mean,
)
from aios.kernel import routing
from aios.kernel.ports import Finish
from aios.kernel.routing import CoreState, Origin
from aios.llm.cores.health import Health
from aios.llm.prompt import SYSCALL_HEADER

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from aios.kernel.breaker import Breaker
    from aios.kernel.ports import CoreInfo, Prompt, Token
    from aios.kernel.routing import Core
    from aios.llm.cores.drivers import Drivers
    from aios.llm.cores.registry import Registry
    from aios.llm.cores.states import CoreStates

T = TypeVar("T")

_PATIENCE_SECONDS: Final = 2.0  # for a slot that somebody else's call still holds; then the scheduler waits instead
_LOOK_SECONDS: Final = 0.05
_LOST_CALLS: Final = 3
"""So often a call may lose its core under way at no cost: one that breaks every core must end some time."""

_CORE_AT_FAULT: Final = (EngineFailed, EngineTimeout, Misconfigured)


@dataclass(frozen=True)
class _Admitted:
    """A call that a core takes, since when, and the slot it holds."""

    core: Core
    lease: str
    began: float


class Router:
    """Speaks to all cores as if they were one."""

    name = "cores"
    resume: Literal["kv", "rerun", "none"] = "rerun"  # another core may take what one has begun

    def __init__(self, registry: Registry, drivers: Drivers, states: CoreStates) -> None:
        self._registry = registry
        self._drivers = drivers
        self._states = states
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="aios-cores")
        self._health = Health(drivers, states, self._aside)
        self._freed: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop

    async def generate(self, prompt: Prompt) -> AsyncGenerator[Token | Finish, None]:
        """Tokens as they come, then one `Finish`.

        Raises:
            UnknownModel: no core answers to that name.
            EngineLost: the core failed under way; another one can take over.
        """
        cores = await self._registry.cores()
        if len(cores) == 1 and cores[0].state is CoreState.ACTIVE:
            (core,) = await self._serving(cores, prompt.model)
            way = self._ask(core, prompt)
        else:
            self._health.watch(cores)
            self._loop = asyncio.get_running_loop()
            way = self._ask_one_of(await self._choices(cores, prompt), prompt)
        async with aclosing(way) as items:
            async for item in items:
                yield item

    async def info(self) -> CoreInfo:
        """What the first core that answers says of itself."""
        error: AiosError | None = None
        for core in _active(await self._registry.cores()):
            try:
                return await self._drivers[core].info()
            except AiosError as failed:
                error = failed
        raise error or EngineUnreachable(self.name, "no core takes calls")

    async def healthy(self) -> bool:
        """Whether some core would answer now."""
        cores = _active(await self._registry.cores())
        return any(await asyncio.gather(*(self._drivers[core].healthy() for core in cores)))

    async def aclose(self) -> None:
        """Close all connections."""
        await self._health.aclose()
        await self._drivers.aclose()
        self._threads.shutdown(wait=False)

    # --- which cores may take it ------------------------------------------------------------------------------------------

    async def _choices(self, cores: Sequence[Core], prompt: Prompt) -> list[list[Core]]:
        """The cores of the model and of each fallback, those first that have the prompt's prefix in their caches."""
        key = routing.prefix(prompt)
        groups = [await self._serving(cores, model) for model in (prompt.model, *prompt.fallbacks)]
        return [routing.ranked(key, _active(group)) for group in groups]

    async def _serving(self, cores: Sequence[Core], model: str) -> list[Core]:
        found = routing.serving(cores, model)
        if found:
            return found
        said, unheard = await self._named(cores)
        found = routing.serving(said, model)
        if not found and unheard is not None:  # it may be the one
            raise unheard
        if not found:
            known = routing.known_names(said)
            raise UnknownModel(model, did_you_mean(model, known) or known)
        return found

    async def _named(self, cores: Sequence[Core]) -> tuple[list[Core], AiosError | None]:
        """The cores with the names of their models, asked for where they are not declared; and why one did not say."""
        said, unheard = [], None
        for core in cores:
            try:
                model = core.model or (await self._drivers[core].info()).model
                said.append(replace(core, model=model))
            except AiosError as error:
                unheard = error
        return said, unheard

    # --- one call -----------------------------------------------------------------------------------------------------------

    async def _ask_one_of(self, choices: list[list[Core]], prompt: Prompt) -> AsyncGenerator[Token | Finish, None]:
        tried: dict[str, AiosError] = {}
        while True:
            at = await self._admit(choices, tried)
            begun = False
            try:
                async with aclosing(self._ask(at.core, prompt, label=at.core.name)) as items:
                    async for item in items:
                        begun = True
                        if isinstance(item, Finish):  # now: whoever has the end may not ask for more
                            await self._praise(at)
                        yield item
            except (*_CORE_AT_FAULT, EngineOverloaded) as error:
                await self._blame(at, error)
                tried[at.core.name] = error
                if begun:
                    raise await self._given_up(choices, tried, prompt, error) from error
            else:
                return
            finally:
                self._release(at)

    async def _ask(self, core: Core, prompt: Prompt, *, label: str = "") -> AsyncGenerator[Token | Finish, None]:
        """Ask one core, under its own model's name; a default one looks at the name itself."""
        own = prompt if core.origin is Origin.DEFAULT and prompt.model not in core.names else replace(prompt, model="")
        tokens = cast("AsyncGenerator[Token | Finish, None]", self._drivers[core].generate(own))
        async with aclosing(tokens) as items:
            async for item in items:
                yield replace(item, core=label) if isinstance(item, Finish) else item

    async def _admit(self, choices: list[list[Core]], tried: dict[str, AiosError]) -> _Admitted:
        """Wait for a slot of the model's cores; of a fallback's only when none of the model's lets calls pass."""
        lease, end = uuid4().hex, time.monotonic() + _PATIENCE_SECONDS
        while True:
            wait = 0.0
            for group in choices:
                left = [core for core in group if core.name not in tried]
                found = await self._aside(partial(self._states.admit, left, lease)) if left else None
                if found is not None and found.place is not None:
                    core = left[found.place]
                    self._health.hold(core.name, lease)
                    return _Admitted(core, lease, found.now)
                if found is not None and found.open:
                    break
                wait = max(wait, found.wait_seconds if found else 0.0)
            else:
                raise await self._nobody(choices, tried, wait)
            if time.monotonic() > end:
                raise EngineUnreachable(group[0].name, "all slots of the model's cores are taken")
            await self._until_freed()

    async def _nobody(self, choices: list[list[Core]], tried: dict[str, AiosError], wait: float) -> AiosError:
        """Why no core takes a call."""
        errors = list(tried.values())
        if errors and not any(isinstance(error, EngineOverloaded) for error in errors):
            return errors[-1]
        cores = [core for group in choices for core in group]
        if not cores:
            return EngineUnreachable(self.name, "all cores of the model are draining")
        views = await self._aside(lambda: self._states.view(core.name for core in cores))
        if errors or any(view.breaker.state(view.now) == "paused" for view in views.values()):
            return EngineOverloaded(cores[0].name, round(max(wait, _LOOK_SECONDS), 3))
        return EngineUnreachable(cores[0].name, "it failed too often and is left alone for now")

    async def _given_up(
        self, choices: list[list[Core]], tried: dict[str, AiosError], prompt: Prompt, error: AiosError
    ) -> AiosError:
        """What a call ends with whose core failed under way: at no cost, if another core can take it."""
        if not any(core.name not in tried for group in choices for core in group):
            return error
        call = prompt.trace.get(SYSCALL_HEADER, "")
        if await self._aside(lambda: self._states.broke(call)) > _LOST_CALLS:
            return error
        return EngineLost(*error.args)

    # --- slots and breakers ---------------------------------------------------------------------------------------------------

    async def _blame(self, at: _Admitted, error: AiosError) -> None:
        def change(breaker: Breaker, now: float) -> Breaker:
            if isinstance(error, EngineOverloaded):
                return breaker.paused(now, seconds=float(error.args[1]))
            fatal = isinstance(error, EngineUnreachable | Misconfigured)
            return breaker.failed(now, began=at.began, fatal=fatal)

        self._health.remember(at.core.name, await self._aside(lambda: self._states.change(at.core.name, change)))

    async def _praise(self, at: _Admitted) -> None:
        """Close the breaker, if it was not closed; what this process has not heard of yet, the next probe tells it."""
        if self._health.doubts(at.core.name):
            changed = await self._aside(
                lambda: self._states.change(at.core.name, lambda breaker, _now: breaker.succeeded(began=at.began))
            )
            self._health.remember(at.core.name, changed)

    def _release(self, at: _Admitted) -> None:
        self._health.let_go(at.core.name, at.lease)
        self._threads.submit(self._states.release, at.core.name, at.lease).add_done_callback(self._tell_freed)

    def _tell_freed(self, _released: object) -> None:
        if self._freed is not None:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._freed.set)

    async def _until_freed(self) -> None:
        """Until a slot was given back here, or for a moment: other processes give theirs back unheard."""
        self._freed = self._freed or asyncio.Event()
        self._freed.clear()
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                await self._freed.wait()
        except TimeoutError:
            return

    async def _aside(self, ask: Callable[[], T]) -> T:
        """Ask Redis on a thread: the loop has streams to serve."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, ask)


def _active(cores: Sequence[Core]) -> list[Core]:
    return [core for core in cores if core.state is CoreState.ACTIVE]
