"""A fake of the `BlockCache` port."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aios.kernel.lru_k import Block, Marks, leaving
from aios.kernel.ports import CacheState, Copy

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class _Known:
    copy: Copy
    held: bool
    accesses: tuple[int, ...]

    def size(self, name: str) -> int:
        return len(name.encode()) + len((self.copy.text or "").encode()) if self.held else 0


class FakeBlockCache:
    """A `BlockCache` in this process' memory.

    Attributes:
        away: a test sets it: nothing is held, nothing is taken.
    """

    def __init__(self, marks: Marks | None = None, *, k: int = 2) -> None:
        self._marks = marks or Marks.of(1_000_000)
        self._k = k
        self._known: dict[str, dict[str, _Known]] = {}
        self._counts: dict[str, dict[str, int]] = {}
        self._now = 0
        self.away = False

    def get(self, namespace: str, name: str) -> Copy | None:
        """The copy that is held."""
        if self.away:
            return None
        self._now += 1
        blocks = self._known.setdefault(namespace, {})
        known = blocks.setdefault(name, _Known(Copy(0, None), held=False, accesses=()))
        known.accesses = (self._now, *known.accesses[: self._k - 1])
        self._count(namespace, "hits" if known.held else "misses")
        return known.copy if known.held else None

    def put(self, namespace: str, name: str, copy: Copy) -> bool:
        """Hold a copy, unless a newer one is held or it finds no room."""
        if self.away:
            return False
        self._now += 1
        blocks = self._known.setdefault(namespace, {})
        known = blocks.setdefault(name, _Known(copy, held=False, accesses=(self._now,)))
        if known.copy.version > copy.version:
            return False
        known.copy, known.held = copy, False
        if copy.text is None:
            return False
        coming = replace(known, held=True).size(name)
        if coming <= self._marks.quota:
            for victim in leaving(self._held(namespace), coming=coming, marks=self._marks, k=self._k):
                blocks[victim].held = False
                self._count(namespace, "evicted")
        known.held = sum(block.bytes for block in self._held(namespace)) + coming <= self._marks.quota
        return known.held

    def clear(self, namespace: str) -> None:
        """Hold nothing of a namespace."""
        self._known.pop(namespace, None)
        self._counts.pop(namespace, None)

    def state(self, namespace: str) -> CacheState:
        """What is held."""
        if self.away:
            return CacheState(self._marks.quota, up=False)
        held = list(self._held(namespace))
        counts = self._counts.get(namespace, {})
        names = tuple(sorted(block.name for block in held))
        hits, misses, evicted = (counts.get(what, 0) for what in ("hits", "misses", "evicted"))
        return CacheState(self._marks.quota, sum(block.bytes for block in held), names, hits, misses, evicted)

    def _held(self, namespace: str) -> Iterator[Block]:
        for name, known in self._known.get(namespace, {}).items():
            if known.held:
                yield Block(name, known.size(name), known.accesses, known.copy.pinned)

    def _count(self, namespace: str, what: str) -> None:
        counts = self._counts.setdefault(namespace, {})
        counts[what] = counts.get(what, 0) + 1
