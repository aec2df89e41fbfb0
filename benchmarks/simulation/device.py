"""The core: slots that decode together, by the simulated engine's timing model, in virtual time.

As in the engine, calls are admitted between two steps, a prompt's prefill holds the whole device, and a step gives one
token to each admitted call. The engine keeps a slot for one step after the last token: a call's steps here include it.
Between two changes of who is admitted all steps are alike, so they are one event, a *leg*.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from aios.local.engine.simulated import Timing
    from benchmarks.simulation.clock import Clock
    from benchmarks.simulation.workload import Call

_EXACT = 1e-9


class Device:
    """One core. Whoever loads a call is told through `freed` when its steps are done and its slot is free again.

    Attributes:
        busy_seconds: time spent on prefill, decoding, switches and failed loads.
        wasted_seconds: of these, switches and failed loads.
        steps: tokens generated.
    """

    def __init__(self, clock: Clock, timing: Timing, *, freed: Callable[[Call], None]) -> None:
        self._clock = clock
        self._timing = timing
        self._freed = freed
        self._running: dict[Call, int] = {}
        self._coming: list[tuple[Call, float, int]] = []
        self._leg = 0  # its number: a leg that was cut short ends when its new end comes, not at the old one
        self._steps = 0
        self._step_seconds = 0.0
        self._start = 0.0
        self._going = False
        self.busy_seconds = self.wasted_seconds = 0.0
        self.steps = 0

    @property
    def free(self) -> int:
        """Free slots."""
        return self._timing.slots - len(self._running) - len(self._coming)

    def load(self, call: Call, *, hold_seconds: float, steps: int) -> None:
        """Give a call a slot for some steps.

        Args:
            call: whose tokens they are.
            hold_seconds: what its admission costs all others: its prefill, or bringing a saved state back.
            steps: at least one.
        """
        self._coming.append((call, hold_seconds, steps))
        if not self._going:
            self._next()
        elif self._running:
            self._cut()

    def disturb(self, seconds: float) -> None:
        """Hold up everything that runs: somebody tried to load what does not fit."""
        self.wasted_seconds += seconds
        self.busy_seconds += seconds
        self._start += seconds
        self._end_at(self._start + self._steps * self._step_seconds)

    def _cut(self) -> None:
        """End the leg after the step that runs now, so that what has come can be admitted."""
        done = ceil((self._clock.now - self._start) / self._step_seconds - _EXACT)
        self._steps = min(self._steps, max(1, done))
        self._end_at(self._start + self._steps * self._step_seconds)

    def _end_at(self, instant: float) -> None:
        self._leg += 1
        leg = self._leg
        self._clock.after(max(0.0, instant - self._clock.now), lambda: self._end() if leg == self._leg else None)

    def _end(self) -> None:
        self.busy_seconds += self._steps * self._step_seconds
        self.steps += self._steps * len(self._running)
        done = [call for call, left in self._running.items() if left == self._steps]
        self._running = {call: left - self._steps for call, left in self._running.items() if left > self._steps}
        for call in done:  # the device counts as going, so that what is loaded now joins the next leg
            self._freed(call)
        self._next()

    def _next(self) -> None:
        hold = sum(seconds for _, seconds, _ in self._coming)
        self.busy_seconds += hold
        self._running.update({call: steps for call, _, steps in self._coming})
        self._coming.clear()
        self._going = bool(self._running)
        if self._going:
            self._start = self._clock.now + hold
            self._steps = min(self._running.values())
            self._step_seconds = self._timing.step_seconds(len(self._running))
            self._end_at(self._start + self._steps * self._step_seconds)
