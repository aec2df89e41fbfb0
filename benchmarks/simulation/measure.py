"""What a run comes to: the four waits, flow times, throughput and fairness."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

from benchmarks.simulation.workload import alone_seconds, calls_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.simulation.workload import Agent
    from benchmarks.simulation.world import Run

Figures = dict[str, float]
"""Name with its unit at the end, and value."""


def figures(run: Run, *, warm_up: float = 0.0) -> Figures:
    """All figures of a run.

    Waiting is turnaround less service, and service is what the call takes on an idle core; E0 checks that it is no less
    than nothing, but for rounding.

    Args:
        run: that ended.
        warm_up: the share of agents, in the order of their arrival, that is not counted.
    """
    agents = run.agents[int(warm_up * len(run.agents)) :]
    calls = calls_of(agents)
    seconds = max(agent.ended for agent in agents) - agents[0].arrives
    return {
        "total_s": run.seconds,
        **_spread("flow_s", [agent.ended - agent.arrives for agent in agents]),
        **_spread("first_wait_s", [agent.calls[0].started - agent.arrives for agent in agents]),
        **_spread("wait_s", [max(0.0, call.ended - call.issued - alone_seconds(call, run.timing)) for call in calls]),
        **_spread("agent_wait_s", [_waited(agent, run) for agent in agents]),
        "throughput": len(agents) / seconds,
        "calls_per_s": len(calls) / seconds,
        "failed_loads": float(sum(call.loads for call in calls)),
        "switches": float(run.switches),
        "busy": run.device.busy_seconds / run.seconds,
        "wasted": run.device.wasted_seconds / run.seconds,
        "jain": _jain([_service(agent, run) / (agent.ended - agent.arrives) for agent in agents]),
    }


def _waited(agent: Agent, run: Run) -> float:
    return max(0.0, sum(call.ended - call.issued for call in agent.calls) - _service(agent, run))


def _service(agent: Agent, run: Run) -> float:
    return sum(alone_seconds(call, run.timing) for call in agent.calls)


def _spread(name: str, values: Sequence[float]) -> Figures:
    line = sorted(values)
    return {f"mean_{name}": fmean(line), f"max_{name}": line[-1]} | {
        f"p{share}_{name}": line[min(len(line) - 1, len(line) * share // 100)] for share in (50, 90, 99)
    }


def _jain(shares: Sequence[float]) -> float:
    """1: all were slowed down alike; 1/n: one had everything."""
    return sum(shares) ** 2 / (len(shares) * sum(share**2 for share in shares))
