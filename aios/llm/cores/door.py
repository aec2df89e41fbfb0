"""The door to the cores: a call waits here for a slot, and what became of it is told to its core's breaker."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar
from uuid import uuid4

from aios.errors import AiosError, EngineOverloaded, EngineUnreachable, Misconfigured
from aios.llm.cores.health import Health

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aios.kernel.breaker import Breaker
    from aios.kernel.routing import Core
    from aios.llm.cores.drivers import Drivers
    from aios.llm.cores.states import Admission, CoreStates

T = TypeVar("T")

_PATIENCE_SECONDS: Final = 2.0  # for a slot that somebody else's call still holds; then the scheduler waits instead
_LOOK_SECONDS: Final = 0.05


@dataclass
class Wish:
    """What one call may be served by, and what it has tried.

    Attributes:
        choices: the cores of its model, then of each fallback, best first.
        tried: by name, what went wrong there.
        spread: whether no core is to have more than its share of the calls.
        patience_seconds: so long it waits for a slot of the best core alone, while that takes calls at all.
    """

    choices: list[list[Core]]
    tried: dict[str, AiosError] = field(default_factory=dict)
    spread: bool = True
    patience_seconds: float = 0.0

    @property
    def left(self) -> list[list[Core]]:
        """The choices that were not tried."""
        groups = [[core for core in group if core.name not in self.tried] for group in self.choices]
        return [group for group in groups if group]


@dataclass(frozen=True)
class Admitted:
    """A call that a core takes, since when, and the slot it holds."""

    core: Core
    lease: str
    began: float


class Door:
    """Lets calls in, and keeps the books."""

    def __init__(self, drivers: Drivers, states: CoreStates) -> None:
        self._states = states
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="aios-cores")
        self._health = Health(drivers, states, self._aside)
        self._freed: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def watch(self, cores: Sequence[Core]) -> None:
        """Look after these cores from now on, on this loop."""
        self._loop = asyncio.get_running_loop()
        self._health.watch(cores)

    async def admit(self, wish: Wish) -> Admitted:
        """Wait for a slot of the model's cores; of a fallback's only when none of the model's lets calls pass.

        Raises:
            EngineOverloaded: all asked to be left alone for some time.
            EngineUnreachable: none takes calls, or none has a slot for too long.
            AiosError: all were tried; what went wrong last.
        """
        lease, patient_until = uuid4().hex, time.monotonic() + wish.patience_seconds
        end = patient_until + _PATIENCE_SECONDS
        while True:
            waits = []
            for group in wish.left:
                patient = time.monotonic() < patient_until
                found = await self._slot(group, lease, spread=wish.spread, patient=patient)
                if found.place is not None:
                    core = group[found.place]
                    self._health.hold(core.name, lease)
                    return Admitted(core, lease, found.now)
                if found.open:
                    break
                waits.append(found.wait_seconds)
            else:
                raise await self._nobody(wish, waits)
            if time.monotonic() > end:
                raise EngineUnreachable(group[0].name, "all slots of the model's cores are taken")
            await self._until_freed()

    async def _slot(self, group: Sequence[Core], lease: str, *, spread: bool, patient: bool) -> Admission:
        """A slot, if one is free; with patience of the first core alone, unless that takes no calls."""
        if patient:
            first = await self._aside(partial(self._states.admit, group[:1], lease, spread=spread))
            if first.open:
                return first
        return await self._aside(partial(self._states.admit, group, lease, spread=spread))

    def release(self, at: Admitted) -> None:
        """Give a slot back; nobody waits for that."""
        self._health.let_go(at.core.name, at.lease)
        self._threads.submit(self._states.release, at.core.name, at.lease).add_done_callback(self._tell_freed)

    async def blame(self, at: Admitted, error: AiosError) -> None:
        """Tell a core's breaker that a call failed."""

        def change(breaker: Breaker, now: float) -> Breaker:
            if isinstance(error, EngineOverloaded):
                return breaker.paused(now, seconds=float(error.args[1]))
            fatal = isinstance(error, EngineUnreachable | Misconfigured)
            return breaker.failed(now, began=at.began, fatal=fatal)

        self._health.remember(at.core.name, await self._aside(lambda: self._states.change(at.core.name, change)))

    async def praise(self, at: Admitted) -> None:
        """Tell it that a call succeeded, if that is news as far as this process knows."""
        if self._health.doubts(at.core.name):
            changed = await self._aside(
                lambda: self._states.change(at.core.name, lambda breaker, _now: breaker.succeeded(began=at.began))
            )
            self._health.remember(at.core.name, changed)

    async def broke(self, call: str) -> int:
        """Count that a core broke under a call; how often that happened to it."""
        return await self._aside(lambda: self._states.broke(call))

    async def aclose(self) -> None:
        """Look after nothing any more."""
        await self._health.aclose()
        self._threads.shutdown(wait=False)

    async def _nobody(self, wish: Wish, waits: list[float]) -> AiosError:
        """Why no core takes a call."""
        cores = [core for group in wish.choices for core in group]
        if not cores:
            return EngineUnreachable("cores", "all cores of the model are draining")
        errors = list(wish.tried.values())
        pauses = [float(error.args[1]) for error in errors if isinstance(error, EngineOverloaded)]
        if errors and not pauses:
            return errors[-1]
        views = await self._aside(lambda: self._states.view(core.name for core in cores))
        if pauses or any(view.breaker.state(view.now) == "paused" for view in views.values()):
            soonest = min([*pauses, *(wait for wait in waits if wait)], default=0.0)
            return EngineOverloaded(cores[0].name, round(max(soonest, _LOOK_SECONDS), 3))
        return EngineUnreachable(cores[0].name, "it failed too often and is left alone for now")

    def _tell_freed(self, _released: object) -> None:
        if self._freed is not None and self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._freed.set)

    async def _until_freed(self) -> None:
        """Until a slot was given back here, or for a moment: other processes give theirs back unheard."""
        self._freed = self._freed or asyncio.Event()
        self._freed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_SECONDS):
                await self._freed.wait()

    async def _aside(self, ask: Callable[[], T]) -> T:
        """Ask Redis on a thread: the loop has streams to serve."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, ask)
