"""One run: agents meet a core through a gate, until the last of them is done."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.simulation.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aios.local.engine.simulated import Timing
    from benchmarks.simulation.device import Device
    from benchmarks.simulation.gates import Answered, Gate
    from benchmarks.simulation.workload import Agent, Call

    Opens = Callable[[Clock, Timing, Answered], Gate]


@dataclass(frozen=True, slots=True)
class Run:
    """What happened.

    Attributes:
        ended: False: the run was given up.
        seconds: when the last agent was done.
        agent_seconds: the sum over time of the agents in the system, counted as time passed.
        passed: breaches of the policy's window; 0 for gates without one.
        switches: pre-emptions.
    """

    agents: Sequence[Agent]
    timing: Timing
    device: Device
    ended: bool
    seconds: float
    agent_seconds: float
    passed: int
    switches: int


class World:
    """Drives the agents: an agent's next call is issued when it has thought about the last one's answer."""

    def __init__(self, agents: Sequence[Agent], timing: Timing, opens: Opens, *, workers: int | None) -> None:
        """Nothing happens before `run`.

        Args:
            agents: with their arrivals.
            timing: of the core.
            opens: makes the gate.
            workers: agents that may be under way at once; None: all.
        """
        self._agents = agents
        self._timing = timing
        self._clock = Clock()
        self._gate = opens(self._clock, timing, self._answered)
        self._idle = len(agents) if workers is None else workers
        self._line: deque[Agent] = deque()
        self._position = dict.fromkeys(agents, 0)
        self._present = self._gone = 0
        self._agent_seconds = self._counted = 0.0

    def run(self, *, limit_seconds: float) -> Run:
        """Run to the end, or give up at the limit."""
        for agent in self._agents:
            self._clock.after(agent.arrives, partial(self._arrive, agent))
        ended = self._clock.run(until=lambda: self._gone == len(self._agents), limit_seconds=limit_seconds)
        passed, switches = getattr(self._gate, "passed", 0), getattr(self._gate, "switches", 0)
        return Run(
            agents=self._agents,
            timing=self._timing,
            device=self._gate.device,
            ended=ended,
            seconds=self._clock.now,
            agent_seconds=self._agent_seconds,
            passed=passed,
            switches=switches,
        )

    def _arrive(self, agent: Agent) -> None:
        self._count(1)
        self._line.append(agent)
        self._start()

    def _start(self) -> None:
        while self._line and self._idle:
            self._idle -= 1
            self._issue(self._line.popleft())

    def _issue(self, agent: Agent) -> None:
        call = agent.calls[self._position[agent]]
        self._position[agent] += 1
        if call.think_seconds:
            self._clock.after(call.think_seconds, lambda: self._ask(call))
        else:
            self._ask(call)

    def _ask(self, call: Call) -> None:
        call.issued = self._clock.now
        self._gate.ask(call)

    def _answered(self, call: Call) -> None:
        call.ended = self._clock.now
        agent = call.agent
        if self._position[agent] < len(agent.calls):
            self._issue(agent)
            return
        agent.ended = self._clock.now
        self._gone += 1
        self._idle += 1
        self._count(-1)
        self._start()

    def _count(self, change: int) -> None:
        self._agent_seconds += self._present * (self._clock.now - self._counted)
        self._present, self._counted = self._present + change, self._clock.now
