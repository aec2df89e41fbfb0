"""How much arrives, and when: a rate from a measured throughput, an engine time from the calls that shall be in flight."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import accumulate

IN_FLIGHT = 250
SHARE = 0.5
CALLS = 2  # of each agent: one that is followed by another, and a last one


@dataclass(frozen=True, slots=True)
class Load:
    """Open arrivals.

    Attributes:
        calls_per_second: LLM calls that arrive, on average.
        engine_seconds: what the engine takes for a call.
        measured_seconds: how long arrivals are measured, once as many are in flight as will be.
    """

    calls_per_second: float
    engine_seconds: float
    measured_seconds: float

    @classmethod
    def of(cls, throughput: float, *, measured_seconds: float) -> Load:
        """Half of a throughput, and by Little's law (in flight = rate x time) the engine's time."""
        rate = SHARE * throughput
        return cls(rate, IN_FLIGHT / rate, measured_seconds)

    @property
    def warm_up_seconds(self) -> float:
        """Until the agents that came first are done: from then on as many go as come."""
        return CALLS * self.engine_seconds

    @property
    def seconds(self) -> float:
        """How long agents arrive."""
        return self.warm_up_seconds + self.measured_seconds

    def arrivals(self, seed: int, *, calls: int = CALLS) -> list[float]:
        """When each agent of `calls` calls comes, in seconds from the beginning: Poisson."""
        numbers = random.Random(f"open {seed}")
        gaps = (numbers.expovariate(self.calls_per_second / calls) for _ in iter(int, 1))
        times: list[float] = []
        for instant in accumulate(gaps):
            if instant > self.seconds:
                return times
            times.append(instant)
        return times
