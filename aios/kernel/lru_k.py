"""LRU-K: what leaves a full memory first. Pure: which blocks go is decided here, what they hold and where is others' matter.

The block goes whose K-th most recent access lies furthest back; one with fewer than K accesses has none, so it goes before
all others. So a scan that touches everything once cannot push out what is used again and again. Ties are broken by the
last access. Accesses are numbered by a counter, not by a clock. The accesses of what has left are remembered for a while:
what comes back soon is known to be in use.

Source: E. O'Neil, P. O'Neil and G. Weikum, "The LRU-K Page Replacement Algorithm for Database Disk Buffering", 1993.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from aios.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

_NEVER: Final = -1
_REMEMBERED: Final = 4  # times the capacity: accesses of so many that have left


class Block(NamedTuple):
    """What the choice needs to know of a block that is held: newest access first, at most K of them."""

    name: str
    bytes: int
    accesses: tuple[int, ...]
    pinned: bool = False


@dataclass(frozen=True)
class Marks:
    """A memory's size and its water marks, in bytes: above `high` blocks leave until `low` is reached."""

    quota: int
    high: int
    low: int

    @classmethod
    def of(cls, quota: int, *, high: float = 0.8, low: float = 0.6) -> Marks:
        """The marks at these shares of a quota.

        Raises:
            InvalidArgument: they are not in this order.
        """
        if not 0 < low <= high <= 1:
            raise InvalidArgument("water marks", [low, high], "give 0 < low <= high <= 1")
        return cls(quota, int(quota * high), int(quota * low))


def rank(accesses: tuple[int, ...], k: int) -> tuple[int, int]:
    """The smaller, the earlier it goes: the K-th most recent access, then the last one."""
    return (accesses[k - 1] if len(accesses) >= k else _NEVER), (accesses[0] if accesses else _NEVER)


def leaving(blocks: Iterable[Block], *, coming: int, marks: Marks, k: int) -> list[str]:
    """Names of the blocks that must leave before `coming` more bytes are held, first to go first.

    None while they fit below the high mark. Pinned blocks stay, so the low mark may be out of reach.
    """
    held = list(blocks)
    used = sum(block.bytes for block in held) + coming
    if used <= marks.high:
        return []
    chosen = []
    for block in sorted((b for b in held if not b.pinned), key=lambda block: (rank(block.accesses, k), block.name)):
        if used <= marks.low:
            break
        chosen.append(block.name)
        used -= block.bytes
    return chosen


class LruK:
    """A memory of `capacity` pages of one size under LRU-K: for traces that are too long to sort at each access."""

    def __init__(self, capacity: int, *, k: int = 2, remembered: int | None = None) -> None:
        """An empty memory.

        Args:
            capacity: pages that it holds.
            k: the access that counts; 1 is LRU.
            remembered: pages that have left and whose accesses are still known; None: four times the capacity.
        """
        self._capacity = capacity
        self._k = k
        self._remembered = _REMEMBERED * capacity if remembered is None else remembered
        self._now = 0
        self._held: dict[Hashable, tuple[int, ...]] = {}
        self._left: OrderedDict[Hashable, tuple[int, ...]] = OrderedDict()
        self._queue: list[tuple[tuple[int, int], int, Hashable]] = []  # old ranks stay in it until they come up

    def access(self, page: Hashable) -> bool:
        """Touch a page; whether it was held. It is held afterwards."""
        self._now += 1
        hit = page in self._held
        known = self._held.get(page) or self._left.pop(page, ())
        if not hit and len(self._held) >= self._capacity:
            self._evict()
        self._held[page] = accesses = (self._now, *known[: self._k - 1])
        heapq.heappush(self._queue, (rank(accesses, self._k), self._now, page))
        return hit

    def _evict(self) -> None:
        while True:
            was, _, page = heapq.heappop(self._queue)
            accesses = self._held.get(page)
            if accesses is not None and rank(accesses, self._k) == was:
                break
        del self._held[page]
        self._left[page] = accesses
        if len(self._left) > self._remembered:
            self._left.popitem(last=False)
