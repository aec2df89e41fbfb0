"""From raw rows to findings: means over seeds, ratios with their intervals, and what was hoped for beside what came out."""

from __future__ import annotations

from math import inf
from statistics import fmean
from typing import TYPE_CHECKING, Any

from aios.kernel.scheduling import POLICIES
from benchmarks.simulation.experiments import KERNEL
from benchmarks.simulation.intervals import ratio

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.simulation.experiments import Outcome

HEADLINES = ("mean_flow_s", "p90_flow_s", "p99_wait_s", "throughput")
CLOSED = (
    *("total_s", "mean_first_wait_s", "p90_first_wait_s", "mean_wait_s", "p90_wait_s", "p99_wait_s"),
    *("mean_agent_wait_s", "mean_flow_s", "p90_flow_s", "throughput", "calls_per_s", "failed_loads", "wasted", "jain"),
)
Findings = dict[str, Any]
"""A JSON object."""


def findings(outcomes: Sequence[Outcome]) -> Findings:
    """All findings of a run of the benchmark. Seeds are paired by position, so outcomes must be in the plan's order."""
    policies, closed = _open(outcomes), _closed(outcomes)
    return {
        "valid": not any(outcome.breaches for outcome in outcomes),
        "breaches": [{**_name(outcome), "breaches": outcome.breaches} for outcome in outcomes if outcome.breaches],
        "runs": len(outcomes),
        "policies": policies,
        "targets": [*_targets(policies), *_totals(closed)],
        "frontier": _frontier(outcomes),
        "closed": closed,
        "trial_curve": _curve(outcomes),
    }


def _name(outcome: Outcome) -> Findings:
    return {"experiment": outcome.cell.experiment, "strategy": outcome.cell.strategy, "seed": outcome.cell.seed}


def _series(outcomes: Sequence[Outcome], name: str) -> list[float]:
    return [outcome.figures[name] for outcome in outcomes if outcome.figures]


def _beside(outcomes: Sequence[Outcome], one: Sequence[Outcome], names: Sequence[str]) -> Findings:
    """Means of `one`'s figures, and of each the ratio to `outcomes`', seed by seed."""
    found: Findings = {name: round(fmean(_series(one, name)), 4) for name in names}
    ratios = {name: ratio(_series(one, name), _series(outcomes, name)).dump() for name in names}
    better = {name: ratio(_series(outcomes, name), _series(one, name)).dump() for name in names[:2]}
    return {**found, "ratio_to_fifo": ratios, "fifo_over_it": better}


def _open(outcomes: Sequence[Outcome]) -> Findings:
    cells = [outcome for outcome in outcomes if outcome.cell.experiment == "open"]
    fifo = [outcome for outcome in cells if outcome.cell.strategy == "fifo"]
    longest = max(outcome.figures["max_wait_s"] for outcome in fifo)
    found: Findings = {}
    for strategy in dict.fromkeys(outcome.cell.strategy for outcome in cells):
        mine = [outcome for outcome in cells if outcome.cell.strategy == strategy]
        bound = _bound(strategy, longest)
        found[strategy] = {"seeds": len(mine), **_beside(fifo, mine, HEADLINES), "bound_s": bound}
        if bound is not None:
            found[strategy]["p99_wait_over_bound"] = ratio(_series(mine, "p99_wait_s"), [bound] * len(mine)).dump()
    return found


def _bound(strategy: str, longest: float) -> float | None:
    """A policy's window, and then what is before a call at most: as much as FIFO ever had before one."""
    window = POLICIES[KERNEL[strategy][0]].window_seconds if strategy in KERNEL else None
    return None if window is None else round(window + longest, 1)


def _frontier(outcomes: Sequence[Outcome]) -> list[Findings]:
    cells = [outcome for outcome in outcomes if outcome.cell.experiment == "frontier"]
    seeds = {outcome.cell.seed for outcome in cells}
    fifo = [
        outcome
        for outcome in outcomes
        if outcome.cell.experiment == "open" and outcome.cell.strategy == "fifo" and outcome.cell.seed in seeds
    ]
    found = []
    for ageing in dict.fromkeys(outcome.cell.ageing for outcome in cells):
        mine = [outcome for outcome in cells if outcome.cell.ageing == ageing]
        found.append({"ageing": ageing, "seeds": len(mine), **_beside(fifo, mine, HEADLINES)})
    return found


def _closed(outcomes: Sequence[Outcome]) -> list[Findings]:
    cells = [outcome for outcome in outcomes if outcome.cell.experiment == "closed"]
    found = []
    for key in dict.fromkeys((outcome.cell.shape, outcome.cell.speed) for outcome in cells):
        group = [outcome for outcome in cells if (outcome.cell.shape, outcome.cell.speed) == key]
        found += [
            {"shape": key[0] or "all five", "speed": key[1], **_strategy(group, strategy)}
            for strategy in dict.fromkeys(outcome.cell.strategy for outcome in group)
        ]
    return found


def _strategy(group: Sequence[Outcome], strategy: str) -> Findings:
    mine = [outcome for outcome in group if outcome.cell.strategy == strategy]
    ended = {outcome.cell.seed for outcome in mine if outcome.figures}
    row: Findings = {"strategy": strategy, "seeds": len(mine), "gave_up": len(mine) - len(ended)}
    if not ended:
        return row
    total = _series(mine, "total_s")
    for other in ("B1", "B2", "B3"):
        rivals = [outcome for outcome in group if outcome.cell.strategy == other and outcome.cell.seed in ended]
        theirs = _series(rivals, "total_s")
        if len(theirs) == len(total):
            row[f"total_{other.lower()}_over_it"] = ratio(theirs, total).dump()
    return row | {name: round(fmean(_series(mine, name)), 4) for name in CLOSED}


def _curve(outcomes: Sequence[Outcome]) -> list[Findings]:
    """B1's total time over FIFO's, by what a failed load costs."""
    cells = [outcome for outcome in outcomes if outcome.cell.experiment == "trial"]
    fifo = {
        outcome.cell.seed: outcome.figures["total_s"]
        for outcome in outcomes
        if (outcome.cell.experiment, outcome.cell.strategy, outcome.cell.shape, outcome.cell.speed)
        == ("closed", "fifo", "", "tenth")
    }
    found = []
    for cost in dict.fromkeys(outcome.cell.failed_load_ms for outcome in cells):
        mine = [outcome for outcome in cells if outcome.cell.failed_load_ms == cost]
        ended = [outcome for outcome in mine if outcome.figures]
        row: Findings = {"failed_load_ms": cost, "seeds": len(mine), "gave_up": len(mine) - len(ended)}
        if ended:
            total = ratio(_series(ended, "total_s"), [fifo[outcome.cell.seed] for outcome in ended])
            row |= {"total_over_fifo": total.dump(), "failed_loads": round(fmean(_series(ended, "failed_loads")))}
        found.append(row)
    return found


def _targets(policies: Findings) -> list[Findings]:
    las, order = policies["las"], policies["las_order_only"]
    return [
        _target("las: FIFO's mean flow time over its own", las["fifo_over_it"]["mean_flow_s"], at_least=1.35),
        _target("las: FIFO's p90 flow time over its own", las["fifo_over_it"]["p90_flow_s"], at_least=1.6),
        _target(
            "las, order only: FIFO's mean flow time over its own", order["fifo_over_it"]["mean_flow_s"], at_least=1.2
        ),
        _target("las: throughput over FIFO's", las["ratio_to_fifo"]["throughput"], at_least=0.99),
        _target("las: p99 wait over FIFO's", las["ratio_to_fifo"]["p99_wait_s"], at_most=2.0),
        _target("las: p99 wait over its stated bound", las["p99_wait_over_bound"], at_most=1.0),
    ]


def _totals(closed: Sequence[Findings]) -> list[Findings]:
    """Of all policies, shapes and speeds the longest total time, over what a semaphore and the engine's own queue take."""
    found = []
    for rival in ("B2", "B3"):
        name = f"total_{rival.lower()}_over_it"
        mine = [row for row in closed if row["strategy"] in KERNEL and name in row]
        worst = min(mine, key=lambda row: float(row[name]["ratio"]))
        low, high = worst[name]["interval_95"]
        over = {"ratio": round(1 / worst[name]["ratio"], 4), "interval_95": [round(1 / high, 4), round(1 / low, 4)]}
        which = f"{worst['strategy']}, {worst['shape']}, {worst['speed']}"
        found.append(_target(f"all policies: total time over {rival}'s, the worst ({which})", over, at_most=1.02))
    return found


def _target(text: str, found: Findings, *, at_least: float = 0.0, at_most: float = inf) -> Findings:
    """`met` says whether the ratio is where it was hoped for, `sure` whether its whole interval is."""
    low, high = found["interval_95"]
    return {
        "target": text,
        **found,
        "wanted": f">= {at_least}" if at_least else f"<= {at_most}",
        "met": at_least <= found["ratio"] <= at_most,
        "sure": at_least <= low and high <= at_most,
    }
