"""E2 and E3: what batching and more agents change. The cells, and what came out of them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from statistics import fmean, linear_regression
from typing import TYPE_CHECKING

from benchmarks.simulation.experiments import Cell, Outcome, run, simulate
from benchmarks.simulation.intervals import ratio
from benchmarks.simulation.workload import alone_seconds, calls_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.simulation.findings import Findings

SLOTS = (1, 4, 8)
BATCHED = ("B1", "B2", "B3", "B4", "fifo", "rr", "las")
GROWING = ("B1", "B2", "fifo", "las")
SHOWN = ("B1", "B2", "B4", "fifo", "rr", "las")
_MOST_TRIED = 500  # agents: a batch of trial and error does not end beyond that
_QUANTILES = 200


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is simulated: seeds, and up to how many agents."""

    seeds: int
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, *, quick: bool) -> Plan:
        """Half a minute, or several minutes."""
        return cls(2, (250, 500, 1000, 2000)) if quick else cls(5, (250, 500, 1000, 2000, 5000, 10_000))

    def cells(self) -> list[Cell]:
        """All cells, the largest first."""
        return [*self._growth(), *self._batching()]

    def _growth(self) -> Iterator[Cell]:
        for agents in sorted(self.sizes, reverse=True):
            for workers in (250, 0):  # as many under way as the paper had, and all
                for strategy in GROWING:
                    if strategy != "B1" or (agents <= _MOST_TRIED and workers):
                        yield Cell(experiment="growth", strategy=strategy, seed=0, agents=agents, workers=workers)

    def _batching(self) -> Iterator[Cell]:
        for seed in range(self.seeds):
            for slots in SLOTS:
                for strategy in BATCHED:
                    yield Cell(experiment="batching", strategy=strategy, seed=seed, agents=164, slots=slots)


def timed(cell: Cell) -> Outcome:
    """Run a cell; of growth also what deciding costs, in this machine's own time: the one figure that is no virtual one."""
    begun = time.process_time()
    outcome = run(cell)
    if cell.experiment != "growth" or not outcome.figures:
        return outcome
    seconds, calls = time.process_time() - begun, outcome.figures["calls_per_s"] * outcome.figures["total_s"]
    return Outcome(cell, {**outcome.figures, "cpu_us_per_call": seconds / calls * 1e6}, outcome.breaches)


def waits(strategy: str) -> list[float]:
    """Quantiles of the waits of single calls in one closed batch of 164 agents on four slots."""
    done = simulate(Cell(experiment="batching", strategy=strategy, seed=0, agents=164, slots=4))
    each = sorted(max(0.0, c.ended - c.issued - alone_seconds(c, done.timing)) for c in calls_of(done.agents))
    return [each[min(len(each) - 1, len(each) * place // _QUANTILES)] for place in range(_QUANTILES + 1)]


def findings(outcomes: Sequence[Outcome]) -> Findings:
    """All findings of a run."""
    growth = [outcome for outcome in outcomes if outcome.cell.experiment == "growth"]
    return {
        "valid": not any(outcome.breaches for outcome in outcomes),
        "breaches": [f"{outcome.cell}: {outcome.breaches}" for outcome in outcomes if outcome.breaches],
        "runs": len(outcomes),
        "batching": _batching(outcomes),
        "growth": [_grown(outcome) for outcome in sorted(growth, key=_place)],
        "lines": _lines(growth),
    }


def _batching(outcomes: Sequence[Outcome]) -> list[Findings]:
    found = []
    for slots in SLOTS:
        group = [o for o in outcomes if o.cell.experiment == "batching" and o.cell.slots == slots]
        of = partial(_series, group)
        for strategy in dict.fromkeys(outcome.cell.strategy for outcome in group):
            row: Findings = {"slots": slots, "strategy": strategy, "ended": len(of(strategy, "total_s"))}
            if row["ended"]:
                names = ("total_s", "mean_wait_s", "p90_wait_s", "mean_flow_s", "p90_flow_s", "calls_per_s")
                row |= {name: round(fmean(of(strategy, name)), 4) for name in names}
            if row["ended"] == len(of("B3", "total_s")):
                row["b3_total_over_it"] = ratio(of("B3", "total_s"), of(strategy, "total_s")).dump()
                row["b3_flow_over_it"] = ratio(of("B3", "mean_flow_s"), of(strategy, "mean_flow_s")).dump()
            found.append(row)
    return found


def _series(group: Sequence[Outcome], strategy: str, name: str) -> list[float]:
    return [o.figures[name] for o in group if o.cell.strategy == strategy and o.figures]


def _place(outcome: Outcome) -> tuple[int, int, int]:
    cell = outcome.cell
    return (-(cell.workers or 0), GROWING.index(cell.strategy), cell.agents)


def _grown(outcome: Outcome) -> Findings:
    cell, figures = outcome.cell, outcome.figures
    row: Findings = {"strategy": cell.strategy, "agents": cell.agents, "at_once": cell.workers or cell.agents}
    names = ("total_s", "mean_wait_s", "p90_wait_s", "mean_flow_s", "cpu_us_per_call")
    return row | ({name: round(figures[name], 2) for name in names} if figures else {})


def _lines(growth: Sequence[Outcome]) -> list[Findings]:
    """How straight total time grows with the agents: the share of its variance that a straight line explains."""
    found = []
    for key in dict.fromkeys((o.cell.strategy, o.cell.workers) for o in sorted(growth, key=_place)):
        mine = [o for o in growth if (o.cell.strategy, o.cell.workers) == key and o.figures]
        agents, totals = [o.cell.agents for o in mine], [o.figures["total_s"] for o in mine]
        if len(mine) > 2:
            slope, start = linear_regression(agents, totals)
            left = sum((t - slope * n - start) ** 2 for n, t in zip(agents, totals, strict=True))
            all_ = sum((t - fmean(totals)) ** 2 for t in totals)
            costs = sorted((o.cell.agents, o.figures["cpu_us_per_call"]) for o in mine)
            found.append(
                {
                    "strategy": key[0],
                    "at_once": key[1] or "all",
                    "r_squared": round(1 - left / all_, 5),
                    "seconds_per_agent": round(slope, 4),
                    "cpu_last_over_first": round(costs[-1][1] / costs[0][1], 3),
                }
            )
    return found
