"""The kernel's way to a core: its policies, through the very functions that the kernel has."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from aios.kernel.policy import Waiting
from aios.kernel.ready_set import ReadySet
from aios.kernel.scheduling import Priority
from aios.kernel.words import DEFAULT_PRIORITY
from benchmarks.simulation.gates import Straight
from benchmarks.simulation.workload import parameters

if TYPE_CHECKING:
    from aios.kernel.policy import Policy
    from aios.local.engine.simulated import Timing
    from benchmarks.simulation.clock import Clock
    from benchmarks.simulation.gates import Answered
    from benchmarks.simulation.workload import Call

_EXACT = 1e-6


class KernelGate(Straight):
    """Grants slots in the policy's order; with slices, a call goes back to the ready set at the end of each.

    A call that is granted again at once keeps its slot and costs nothing; another in its place costs one switch.

    Attributes:
        passed: grants to a call while another waited that the policy's window protects from it: must stay 0.
        switches: calls that lost their slot at the end of a slice.
    """

    def __init__(self, clock: Clock, timing: Timing, *, answered: Answered, policy: Policy, slices: bool) -> None:
        super().__init__(clock, timing, answered=answered)
        self._ranked = isinstance(policy, Priority)  # the others are weighed among agents of one priority
        self._ready: ReadySet[tuple[float, int]] = ReadySet(policy)
        self._slice: int | None = parameters()["slice"]["tokens"] if slices else None
        self._switch: float = parameters()["slice"]["switch_seconds"]
        self._calls: dict[tuple[float, int], Call] = {}
        self._granted: dict[Call, tuple[Waiting, float, int]] = {}
        self._oldest: list[tuple[float, int]] = []
        self.passed = self.switches = 0

    def ask(self, call: Call) -> None:
        """Put it into the ready set."""
        self._enter(call)
        self._fill(None)

    def _enter(self, call: Call) -> None:
        number = (call.issued, call.agent.number)  # like a UUIDv7: an order by time of issue
        self._calls[number] = call
        heapq.heappush(self._oldest, number)
        expected = max(1.0, call.estimate_tokens - (call.answer - call.left))
        prefill = 0.0 if call.left < call.answer else self.timing.prefill_seconds(call.prompt)
        waiting = Waiting(
            enqueued_seconds=call.issued,
            root=str(call.agent.number),
            tenant=call.agent.tenant,
            priority=call.agent.priority if self._ranked else DEFAULT_PRIORITY,
            estimate_seconds=prefill + expected * self.timing.step_seconds(1),
        )
        self._ready.enter(number, waiting, now_seconds=self.clock.now)

    def _freed(self, call: Call) -> None:
        waiting, seconds, steps = self._granted.pop(call)
        self._ready.settle(waiting, served_seconds=seconds, now_seconds=self.clock.now)
        call.left -= steps
        if call.left:
            self._enter(call)
        else:
            self.answered(call)
        self._fill(call if call.left else None)

    def _fill(self, leaving: Call | None) -> None:
        while self.device.free and (grant := self._ready.grant()) is not None:
            self._watch(grant.call)
            call = self._calls.pop(grant.id)
            stays = call is leaving
            steps = min(call.left, self._slice or call.left)
            hold = 0.0 if stays else self._hold(call)
            self._granted[call] = (grant.call, hold + steps * self.timing.step_seconds(1), steps)
            self.device.load(call, hold_seconds=hold, steps=steps)
            if stays:
                leaving = None
        if leaving is not None and leaving not in self._granted:
            self.switches += 1

    def _hold(self, call: Call) -> float:
        if call.started < 0:
            call.started = self.clock.now
            return self.timing.prefill_seconds(call.prompt)
        self.device.wasted_seconds += self._switch
        return self._switch

    def _watch(self, granted: Waiting) -> None:
        while self._oldest and self._oldest[0] not in self._ready:
            heapq.heappop(self._oldest)
        window = self._ready.policy.window_seconds
        if window is not None and self._oldest:
            self.passed += granted.enqueued_seconds > self._oldest[0][0] + window + _EXACT
