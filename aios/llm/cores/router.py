"""The router: the driver of several cores. It chooses one for each call, and another one when that fails.

A call that fails before its first token goes to the next core at once; afterwards it is given back to the scheduler, since a
stream that was begun cannot begin again under the same attempt. Neither uses an attempt while another core is there. With a
single core there is nothing to choose, and nothing is asked of Redis.

A call in slices goes back to the core that has its state. Where that takes no calls, or has no slot before long, another one
is asked: it goes on if it can read the state, as engines do that share their folder of states; else it has lost it.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal, TypeVar, cast

from aios.errors import (
    AiosError,
    EngineFailed,
    EngineLost,
    EngineOverloaded,
    EngineTimeout,
    EngineUnreachable,
    InvalidArgument,
    Misconfigured,
    UnknownModel,
    did_you_mean,
)
from aios.kernel import routing
from aios.kernel.ports import Boundary, Finish, Forgets
from aios.kernel.routing import CoreState, Origin
from aios.llm.cores.door import Door, Wish
from aios.llm.prompt import SYSCALL_HEADER

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

    from aios.kernel.ports import CoreInfo, Driver, Prompt, Token
    from aios.kernel.routing import Core
    from aios.kernel.values import JsonObject
    from aios.llm.cores.door import Admitted
    from aios.llm.cores.drivers import Drivers
    from aios.llm.cores.purse import Purse
    from aios.llm.cores.registry import Registry
    from aios.llm.cores.states import CoreStates

T = TypeVar("T")

_LOST_CALLS: Final = 3
"""So often a call may lose its core under way at no cost: one that breaks every core must end some time."""

_CORE_AT_FAULT: Final = (EngineFailed, EngineTimeout, EngineOverloaded, Misconfigured)


class Router:
    """Speaks to all cores as if they were one."""

    name = "cores"
    resume: Literal["kv", "rerun", "none"] = "rerun"  # another core may take what one has begun

    def __init__(self, registry: Registry, drivers: Drivers, states: CoreStates, purse: Purse) -> None:
        self._registry = registry
        self._drivers = drivers
        self._door = Door(drivers, states)
        self._purse = purse

    async def generate(self, prompt: Prompt) -> AsyncGenerator[Token | Boundary | Finish, None]:
        """Tokens as they come, then one `Finish`.

        Raises:
            UnknownModel: no core answers to that name.
            InvalidArgument: none of them declares the quality that is asked for.
            EngineLost: the core failed under way; another one can take over.
        """
        async with aclosing(await self._knowing(self._way, prompt)) as items:
            async for item in items:
                yield item

    async def _way(self, cores: Sequence[Core], prompt: Prompt) -> AsyncGenerator[Token | Boundary | Finish, None]:
        if len(cores) == 1 and cores[0].state is CoreState.ACTIVE:
            ((core,),) = routing.good_enough([await self._serving(cores, prompt.model)], prompt.quality)
            return self._ask(core, prompt)
        self._door.watch(cores)
        return self._ask_one_of(self._purse.wish(await self._choices(cores, prompt), prompt), prompt)

    async def info(self) -> CoreInfo:
        """What the core says of itself; of several what the first one says that answers, less what not all can."""
        cores = await self._registry.cores()
        if len(cores) == 1:
            return await self._drivers[cores[0]].info()
        for core in _active(cores):
            info = await self._drivers.info(core)
            if info is not None:
                return replace(info, resume=self.resume)
        raise EngineUnreachable(self.name, "no core answers")

    async def narrowest(self, prompt: Prompt) -> Driver:
        """The driver of that core with the smallest window among those that may be asked: what fits there fits anywhere."""
        return await self._knowing(self._narrowest, prompt)

    async def _narrowest(self, cores: Sequence[Core], prompt: Prompt) -> Driver:
        if len(cores) == 1:
            return self._drivers[cores[0]]
        for group in await self._choices(cores, prompt):
            infos = await asyncio.gather(*(self._drivers.info(core) for core in group))
            known = [(info.max_total_tokens, place) for place, info in enumerate(infos) if info is not None]
            if known:
                return self._drivers[group[min(known)[1]]]
        raise EngineUnreachable(self.name, "no core of the model answers")

    async def healthy(self) -> bool:
        """Whether some core would answer now."""
        cores = _active(await self._registry.cores())
        return any(await asyncio.gather(*(self._drivers[core].healthy() for core in cores)))

    async def forget(self, state: JsonObject) -> None:
        """Have a KV state deleted by the core that has it."""
        for core in await self._registry.cores():
            driver = self._drivers[core]
            if core.name == state["core"] and isinstance(driver, Forgets):
                await driver.forget(state)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._door.aclose()
        await self._drivers.aclose()

    # --- which cores may take it ------------------------------------------------------------------------------------------

    async def _knowing(self, choose: Callable[[Sequence[Core], Prompt], Awaitable[T]], prompt: Prompt) -> T:
        """What is chosen among the cores as they were a moment ago; if none of them will do, among those of now."""
        try:
            return await choose(await self._registry.cores(), prompt)
        except (UnknownModel, InvalidArgument):
            return await choose(await self._registry.newest(), prompt)

    async def _choices(self, cores: Sequence[Core], prompt: Prompt) -> list[list[Core]]:
        """The cores of the model and of each fallback, those first that have the prompt's prefix in their caches."""
        key = routing.prefix(prompt)
        groups = [await self._serving(cores, model) for model in (prompt.model, *prompt.fallbacks)]
        return [routing.ranked(key, _active(group)) for group in routing.good_enough(groups, prompt.quality)]

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

    async def _ask_one_of(self, wish: Wish, prompt: Prompt) -> AsyncGenerator[Token | Boundary | Finish, None]:
        while True:
            at = await self._admitted(wish, _holder(prompt))
            begun = False
            try:
                async with aclosing(self._ask(at.core, prompt, label=at.core.name)) as items:
                    async for item in items:
                        begun = True
                        if isinstance(item, Finish):  # now: whoever has the end may not ask for more
                            await self._door.praise(at)
                            self._purse.served(at.core, prompt)
                        yield item
            except _CORE_AT_FAULT as error:
                await self._door.blame(at, error)
                wish.tried[at.core.name] = error
                if begun:
                    raise await self._given_up(wish, prompt, error) from error
            else:
                return
            finally:
                self._door.release(at)

    async def _admitted(self, wish: Wish, holder: str) -> Admitted:
        """A slot: of the core that has the call's state, unless it takes no calls or has none for too long; then of any."""
        holding = [core for group in wish.left for core in group if core.name == holder]
        if holding:
            with suppress(EngineUnreachable, EngineOverloaded):
                return await self._door.admit(Wish([holding]))
        return await self._door.admit(wish)

    async def _ask(
        self, core: Core, prompt: Prompt, *, label: str = ""
    ) -> AsyncGenerator[Token | Boundary | Finish, None]:
        """Ask one core, under its own model's name; a default one looks at the name itself."""
        own = prompt if core.origin is Origin.DEFAULT and prompt.model not in core.names else replace(prompt, model="")
        tokens = cast("AsyncGenerator[Token | Boundary | Finish, None]", self._drivers[core].generate(own))
        async with aclosing(tokens) as items:
            async for item in items:
                match item:
                    case Finish():
                        yield replace(item, core=label)
                    case Boundary():
                        yield _held(item, core.name)
                    case _:
                        yield item

    async def _given_up(self, wish: Wish, prompt: Prompt, error: AiosError) -> AiosError:
        """What a call ends with whose core failed under way: at no cost, if another core can take it."""
        if not wish.left:
            return error
        lost = await self._door.broke(prompt.trace.get(SYSCALL_HEADER, ""))
        return error if lost > _LOST_CALLS else EngineLost(*error.args)


def _holder(prompt: Prompt) -> str:
    """The name of the core that has the state that a generation goes on from; empty: there is none."""
    done = prompt.slicing.done if prompt.slicing else None
    return str(done.state.get("core", "")) if done and done.state else ""


def _held(boundary: Boundary, core: str) -> Boundary:
    """A boundary that says which core has its state."""
    partial = boundary.partial
    return replace(boundary, partial=replace(partial, state=partial.state and {**partial.state, "core": core}))


def _active(cores: Sequence[Core]) -> list[Core]:
    return [core for core in cores if core.state is CoreState.ACTIVE]
