"""Virtual time: actions in the order of their instants, as fast as the machine goes."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Clock:
    """The simulated time, in seconds from 0."""

    def __init__(self) -> None:
        self.now = 0.0
        self._actions: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something later; of two at the same instant the one asked for first comes first."""
        self._count += 1
        heapq.heappush(self._actions, (self.now + seconds, self._count, action))

    def run(self, *, until: Callable[[], bool], limit_seconds: float) -> bool:
        """Let time pass; False: the limit was reached, or nothing was left to do, before `until` held."""
        while not until():
            if not self._actions or self._actions[0][0] > limit_seconds:
                return False
            self.now, _, action = heapq.heappop(self._actions)
            action()
        return True
