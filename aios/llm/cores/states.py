"""How the cores fare: who holds their slots, and their breakers, as the router sees it; and what one process knows by itself.

A slot is a lease, never a counter: what a dead process held ends by itself.
"""

from __future__ import annotations

import time
from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from aios.kernel.breaker import Breaker
from aios.kernel.routing import Load, pick

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from aios.kernel.routing import Core

LEASE_SECONDS: Final = 10.0


class Admission(NamedTuple):
    """What became of a call that asked for a slot.

    Attributes:
        place: which of the candidates took it; None: none.
        now: the time of the clock that the breakers go by.
        wait_seconds: until the first of the blocked candidates lets a call pass; 0: none is blocked.
        open: whether any candidate lets calls pass, so that one may wait for a slot.
    """

    place: int | None
    now: float
    wait_seconds: float
    open: bool


class View(NamedTuple):
    """How a core fares."""

    used: int
    breaker: Breaker
    now: float


class CoreStates(Protocol):
    """How the cores fare. Names of leases are the caller's, unique."""

    def admit(self, candidates: Sequence[Core], lease: str, *, spread: bool = True) -> Admission:
        """Take a slot of one of the candidates, given in order of preference; `spread`: of none more than its share."""
        ...

    def release(self, core: str, lease: str) -> None:
        """Give a slot back."""
        ...

    def renew(self, held: Iterable[tuple[str, str]]) -> None:
        """Keep the slots of what runs here: (core, lease) of each."""
        ...

    def change(self, core: str, change: Callable[[Breaker, float], Breaker]) -> Breaker:
        """Change a core's breaker by a function of it and the time; may be called again if another was faster."""
        ...

    def view(self, cores: Iterable[str]) -> dict[str, View]:
        """How some cores fare, by name."""
        ...

    def broke(self, call: str) -> int:
        """Count that a core broke under a call; how often that happened to it."""
        ...

    def turn(self, seconds: float) -> bool:
        """Whether it is this process' turn to probe; nobody else's then, for so long."""
        ...


class LocalStates:
    """What one process knows by itself."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ahead = 0.0
        self._held: dict[str, dict[str, float]] = defaultdict(dict)
        self._breakers: dict[str, Breaker] = defaultdict(Breaker)
        self._broken: dict[str, int] = defaultdict(int)

    @property
    def now(self) -> float:
        """The time, as far as is known Redis' own."""
        return self._clock() + self._ahead

    def learn(self, now: float) -> None:
        """Take over Redis' time."""
        self._ahead = now - self._clock()

    def admit(self, candidates: Sequence[Core], lease: str, *, spread: bool = True) -> Admission:
        """Take a slot of one of the candidates, given in order of preference."""
        now = self.now
        loads, blocked = [], []
        for core in candidates:
            breaker = self._breakers[core.name]
            if not breaker.passes(now):
                blocked.append(breaker.blocked_until - now)
            free = 0 if not breaker.passes(now) else 1 if breaker.trial else core.slots
            loads.append(Load(self._used(core.name), free))
        chosen = pick(loads, spread=spread)
        if chosen is not None:
            self.take(candidates[chosen].name, lease)
        return Admission(chosen, now, min(blocked, default=0.0), open=any(load.slots for load in loads))

    def take(self, core: str, lease: str) -> None:
        """Note that a slot was taken."""
        self._held[core][lease] = self.now + LEASE_SECONDS

    def release(self, core: str, lease: str) -> None:
        """Give a slot back."""
        self._held[core].pop(lease, None)

    def renew(self, held: Iterable[tuple[str, str]]) -> None:
        """Keep the slots of what runs here: (core, lease) of each."""
        for core, lease in held:
            self.take(core, lease)

    def change(self, core: str, change: Callable[[Breaker, float], Breaker]) -> Breaker:
        """Change a core's breaker by a function of it and the time."""
        self._breakers[core] = change(self._breakers[core], self.now)
        return self._breakers[core]

    def view(self, cores: Iterable[str]) -> dict[str, View]:
        """How some cores fare, by name."""
        return {name: View(self._used(name), self._breakers[name], self.now) for name in cores}

    def broke(self, call: str) -> int:
        """Count that a core broke under a call; how often that happened to it."""
        self._broken[call] += 1
        return self._broken[call]

    def turn(self, seconds: float) -> bool:
        """Always: there is nobody else."""
        del seconds
        return True

    def _used(self, core: str) -> int:
        return sum(end > self.now for end in self._held[core].values())
