"""E0: what must hold in every run, whatever the strategy. A run that breaks it says nothing, nor does any run beside it."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from benchmarks.simulation.workload import alone_seconds, calls_of

if TYPE_CHECKING:
    from benchmarks.simulation.world import Run

_LITTLE, _SERVICE, _BUSY, _EXACT = 0.03, 0.01, 0.98, 1e-6


def breaches(run: Run, *, saturated: bool = False) -> list[str]:
    """What does not hold; empty: all is well.

    Args:
        run: that ended.
        saturated: the load keeps a work-conserving core busy to the end.
    """
    flow = sum(agent.ended - agent.arrives for agent in run.agents)
    calls = calls_of(run.agents)
    tokens = sum(call.answer for call in calls)
    found = {
        "Little's law": _off(run.agent_seconds, flow) > _LITTLE,
        "tokens generated are tokens asked for": run.device.steps != tokens,
        "times of a call are in order": any(not _ordered(call.issued, call.started, call.ended) for call in calls),
        "no call is quicker than on an idle core": any(
            call.ended - call.issued < alone_seconds(call, run.timing) - _EXACT for call in calls
        ),
        "nobody passed by more than the policy's window": run.passed > 0,
        "a saturated core is busy": saturated and run.device.busy_seconds < _BUSY * run.seconds,
    }
    if run.timing.slots == 1:  # alone in its slot a call takes what it takes on an idle core
        used = run.device.busy_seconds - run.device.wasted_seconds
        service = sum(alone_seconds(call, run.timing) for call in calls)
        found["sum of service is busy time"] = _off(used, service) > _SERVICE
    return [rule for rule, broken in found.items() if broken]


def _off(one: float, other: float) -> float:
    return abs(one / other - 1)


def _ordered(*instants: float) -> bool:
    return all(one <= other + _EXACT for one, other in pairwise(instants))
