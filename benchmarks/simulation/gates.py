"""The ways to a core, of which each baseline is one: who may load a call, and when.

B0 (one agent after the other) is the engine's queue with one worker: see `world`.
"""

from __future__ import annotations

import random
from collections import deque
from typing import TYPE_CHECKING, Protocol

from benchmarks.simulation.device import Device
from benchmarks.simulation.workload import parameters

if TYPE_CHECKING:
    from collections.abc import Callable

    from aios.local.engine.simulated import Timing
    from benchmarks.simulation.clock import Clock
    from benchmarks.simulation.workload import Call

    Answered = Callable[[Call], None]


class Gate(Protocol):
    """Where agents bring their calls."""

    device: Device

    def ask(self, call: Call) -> None:
        """A call is issued; `answered` tells its agent when it is done."""


class Straight:
    """Base of gates: a core, and the agents' side of a call. Loads whole calls."""

    def __init__(self, clock: Clock, timing: Timing, *, answered: Answered) -> None:
        self.clock = clock
        self.timing = timing
        self.answered = answered
        self.device = Device(clock, timing, freed=self._freed)

    def _load(self, call: Call) -> None:
        call.started = self.clock.now
        self.device.load(call, hold_seconds=self.timing.prefill_seconds(call.prompt), steps=call.answer)

    def _freed(self, call: Call) -> None:
        call.left = 0
        self.answered(call)


class EngineQueue(Straight):
    """B3: straight to the engine, which serves first come, first served."""

    def __init__(self, clock: Clock, timing: Timing, *, answered: Answered) -> None:
        super().__init__(clock, timing, answered=answered)
        self._line: deque[Call] = deque()

    def ask(self, call: Call) -> None:
        """Queue in the engine."""
        self._line.append(call)
        self._fill()

    def _freed(self, call: Call) -> None:
        super()._freed(call)
        self._fill()

    def _fill(self) -> None:
        while self._line and self.device.free:
            self._load(self._line.popleft())


class Semaphore(Straight):
    """B2: one semaphore round the call. It promises no order: whoever of those that wait is lucky goes next."""

    def __init__(self, clock: Clock, timing: Timing, *, answered: Answered, seed: int) -> None:
        super().__init__(clock, timing, answered=answered)
        self._numbers = random.Random(f"semaphore {seed}")
        self._crowd: list[Call] = []

    def ask(self, call: Call) -> None:
        """Wait for the semaphore."""
        self._crowd.append(call)
        self._fill()

    def _freed(self, call: Call) -> None:
        super()._freed(call)
        self._fill()

    def _fill(self) -> None:
        while self._crowd and self.device.free:
            lucky = self._numbers.randrange(len(self._crowd))
            self._crowd[lucky], self._crowd[-1] = self._crowd[-1], self._crowd[lucky]
            self._load(self._crowd.pop())


class TrialAndError(Straight):
    """B1: load; where no slot is free that fails, after holding up the device; wait at random, and load again."""

    def __init__(
        self, clock: Clock, timing: Timing, *, answered: Answered, seed: int, failed_load_seconds: float | None = None
    ) -> None:
        super().__init__(clock, timing, answered=answered)
        trial = parameters()["trial"]
        self._numbers = random.Random(f"trial {seed}")
        self._fails = trial["failed_load_seconds"] if failed_load_seconds is None else failed_load_seconds
        self._first, self._cap = trial["backoff_seconds"], trial["backoff_cap_seconds"]

    def ask(self, call: Call) -> None:
        """Try to load."""
        if self.device.free:
            self._load(call)
            return
        self.device.disturb(self._fails)
        wait = self._numbers.uniform(0.0, min(self._cap, self._first * 2.0 ** min(call.loads, 60)))
        call.loads += 1
        self.clock.after(self._fails + wait, lambda: self.ask(call))


class PublishedBatch(EngineQueue):
    """B4: the published kernel's FIFO, as described.

    It sleeps, drains its queue, runs what it found as one batch, and answers all of the batch when the last is done.
    """

    def __init__(self, clock: Clock, timing: Timing, *, answered: Answered) -> None:
        super().__init__(clock, timing, answered=self._finished)
        self._agents = answered
        published = parameters()["published"]
        self._interval, self._patience = published["interval_seconds"], published["drain_seconds"]
        self._arrived: list[Call] = []
        self._running: list[Call] = []
        self._open = 0
        self._draining = False
        self._waited = 0
        self._sleep()

    def ask(self, call: Call) -> None:
        """Wait for the next batch; while the queue is drained every call that comes prolongs the draining."""
        self._arrived.append(call)
        if self._draining:
            self._drain()

    def _sleep(self) -> None:
        self.clock.after(self._interval, self._drain)

    def _drain(self) -> None:
        self._draining = True
        self._waited += 1
        waited = self._waited
        self.clock.after(self._patience, lambda: self._run() if waited == self._waited else None)

    def _run(self) -> None:
        self._draining = False
        self._running, self._arrived = self._arrived, []
        self._open = len(self._running)
        if not self._running:
            self._sleep()
        for call in self._running:
            super().ask(call)

    def _finished(self, call: Call) -> None:
        del call
        self._open -= 1
        if not self._open:
            for each in self._running:
                self._agents(each)
            self._sleep()
