"""Which slot a call gets. Every call names its slot, so that a state restored into one is nobody else's meanwhile.

A plain call gets the free slot that shares most of its prompt with the call before, whose cache it then need not compute
again. A slice gets the slot in which the slice before it ended, if nobody was there since; then nothing is restored.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence


@dataclass(slots=True, eq=False)
class Slot:
    """A place in the model's cache.

    Attributes:
        holds: name of the state that it is in, exactly; None: of none.
        ids: the prompt that was evaluated in it last.
        used: the turn in which it was given away last.
    """

    number: int
    holds: str | None = None
    ids: tuple[int, ...] = ()
    used: int = 0


class Slots:
    """The slots of an engine; who finds none free waits, first come, first served."""

    def __init__(self, count: int) -> None:
        self._free = [Slot(number) for number in range(count)]
        self._permits = asyncio.Semaphore(count)
        self._turn = 0
        self.waiting = 0

    @asynccontextmanager
    async def take(self, *, ids: Sequence[int] = (), state: str | None = None) -> AsyncIterator[Slot]:
        """A slot of one's own, for the block.

        Args:
            ids: the prompt.
            state: the state to go on from.
        """
        self.waiting += 1
        try:
            await self._permits.acquire()
        finally:
            self.waiting -= 1
        self._turn += 1
        slot = choose(self._free, ids=ids, state=state)
        self._free.remove(slot)
        slot.used = self._turn
        try:
            yield slot
        finally:
            self._free.append(slot)
            self._permits.release()


def choose(free: Sequence[Slot], *, ids: Sequence[int], state: str | None) -> Slot:
    """The best of some free slots: the one in that state, else the one with most of the prompt, else the least used."""

    def worth(slot: Slot) -> tuple[bool, int, bool, int]:
        shared = 0 if state else _shared(slot.ids, ids)
        return state is not None and slot.holds == state, shared, slot.holds is None, -slot.used

    return max(free, key=worth)


def _shared(before: Sequence[int], now: Sequence[int]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(before, now, strict=False)))
