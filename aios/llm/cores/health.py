"""Looking after the cores while calls run: slots are kept, health is probed by one process for all, breakers are followed."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from aios.errors import AiosError
from aios.kernel.breaker import Breaker
from aios.kernel.routing import CoreState
from aios.log import logger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from aios.kernel.routing import Core
    from aios.llm.cores.drivers import Drivers
    from aios.llm.cores.states import CoreStates, View

T = TypeVar("T")

log = logger(__name__)

_TURN_SECONDS: Final = 2.0  # a fifth of a slot's lease
_CLOSED: Final = Breaker()


class Aside(Protocol):
    """Runs what blocks on a thread."""

    def __call__(self, ask: Callable[[], T]) -> Awaitable[T]:
        """Its result."""
        ...


class Health:
    """The background of a router; it lives on the loop of the first call."""

    def __init__(self, drivers: Drivers, states: CoreStates, aside: Aside) -> None:
        self._drivers = drivers
        self._states = states
        self._aside = aside
        self._cores: Sequence[Core] = ()
        self._held: set[tuple[str, str]] = set()
        self._breakers: dict[str, Breaker] = {}
        self._task: asyncio.Task[None] | None = None

    def watch(self, cores: Sequence[Core]) -> None:
        """Look after these cores from now on."""
        self._cores = cores
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._look_on())

    def hold(self, core: str, lease: str) -> None:
        """Keep a slot."""
        self._held.add((core, lease))

    def let_go(self, core: str, lease: str) -> None:
        """Keep it no longer."""
        self._held.discard((core, lease))

    def remember(self, core: str, breaker: Breaker) -> None:
        """Take over what a breaker has become, and tell it when it opens or closes."""
        before = self._breakers.get(core, _CLOSED)
        self._breakers[core] = breaker
        if breaker.trial and not before.trial:
            log.warning("core %s failed %d times in a row: it is left alone for now", core, breaker.failures)
        elif before.trial and not breaker.trial:
            log.warning("core %s works again", core)

    def doubts(self, core: str) -> bool:
        """Whether a success of this core is news."""
        breaker = self._breakers.get(core, _CLOSED)
        return breaker.trial or breaker.failures > 0

    async def aclose(self) -> None:
        """Look after nothing any more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _look_on(self) -> None:
        while True:
            try:
                held = list(self._held)
                await self._aside(partial(self._states.renew, held))
                for core, lease in set(held) - self._held:  # given back meanwhile, perhaps before it was renewed
                    await self._aside(partial(self._states.release, core, lease))
                await self._look()
            except AiosError as error:
                log.warning("cores: %s", error)
            except Exception:  # this task looks after all cores, and nobody would start another one
                log.exception("cores: looking after them raised; the next turn tries again")
            await asyncio.sleep(_TURN_SECONDS)

    async def _look(self) -> None:
        """Read how the cores fare; whoever has the turn asks those that may be called whether they would answer."""
        cores = self._cores
        views = await self._aside(lambda: self._states.view([core.name for core in cores]))
        for name, view in views.items():
            self.remember(name, view.breaker)
        if await self._aside(lambda: self._states.turn(_TURN_SECONDS * 0.9)):
            asked = [core for core in cores if core.state is CoreState.ACTIVE and _may_be_asked(views[core.name])]
            await asyncio.gather(*(self._probe(core, views[core.name]) for core in asked))

    async def _probe(self, core: Core, view: View) -> None:
        if await self._answers(core):
            return
        changed = await self._aside(
            lambda: self._states.change(core.name, lambda breaker, now: breaker.failed(now, began=view.now))
        )
        self.remember(core.name, changed)

    async def _answers(self, core: Core) -> bool:
        try:
            return await self._drivers[core].healthy()
        except AiosError:  # it cannot even be asked, as when its key is missing
            return False


def _may_be_asked(view: View) -> bool:
    return view.breaker.passes(view.now)
