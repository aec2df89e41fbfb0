"""E12: what routing by cost and quality is worth, and how far it is from the exact optimum, in virtual time.

Six virtual models, a stream of queries whose truth is known, and a mean quality to keep at the least cost. The kernel's own
routing (`aios.kernel.thrift`) decides query by query; the optimum (a linear program) knows all of them before. Round robin, the
cheapest and the best model stand beside them. Only the time of a decision is this machine's. Rows and findings go to
benchmarks/results/.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import sys
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from rich.console import Console

from aios.kernel.thrift import Thrift
from benchmarks import routing_tables
from benchmarks.optimum import Calls, least_cost
from benchmarks.origin import RESULTS, origin
from benchmarks.routing_pool import LOADS, MODELS, Cell, declared, play, queries
from benchmarks.simulation import tables
from benchmarks.simulation.intervals import ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from aios.kernel.thrift import Offer
    from aios.kernel.values import JsonObject
    from benchmarks.routing_pool import Played, Router

WANTED: Final = 0.75
"""The mean quality to keep: between the fourth and the fifth model's own."""

KNOWLEDGE: Final = ("declared", "told")
FARTHEST: Final = 1.02
SLOWEST_US: Final = 1000.0
_ROUNDING: Final = 1e-6


class Fixed:
    """A router that learns nothing: it ranks by a rule."""

    def __init__(self, rule: Callable[[Offer], float]) -> None:
        """`rule`: less is better."""
        self._rule = rule

    def ranked(self, offers: Sequence[Offer]) -> list[int]:
        """The models for one query, the one to take first."""
        return sorted(range(len(offers)), key=lambda place: self._rule(offers[place]))

    def took(self, quality: float) -> None:
        """It does not care."""


class RoundRobin(Fixed):
    """Each model in its turn."""

    def __init__(self) -> None:
        self._turn = -1

    def ranked(self, offers: Sequence[Offer]) -> list[int]:
        """The models for one query, the one to take first."""
        self._turn += 1
        return [(self._turn + place) % len(offers) for place in range(len(offers))]


class Entrant(NamedTuple):
    """A router, and how long a query waits for the model that it ranks first."""

    make: Callable[[], Router]
    patience_seconds: float = 0.0


OURS: Final = ("ours", "ours, patient")
ROUTERS: Final = {
    "ours": Entrant(lambda: Thrift(WANTED)),
    "ours, patient": Entrant(lambda: Thrift(WANTED), 2.0),
    "round robin": Entrant(RoundRobin),
    "cheapest": Entrant(lambda: Fixed(lambda offer: offer.cost)),
    "best": Entrant(lambda: Fixed(lambda offer: -offer.quality)),
}


class Row(NamedTuple):
    """How one router fared on one cell.

    Attributes:
        quality: the mean of what the router was told of the models that it chose.
        right: the mean of their true chances.
        optimum: the least cost at the wanted quality.
        same: the least cost at this router's own quality; of others than ours not computed.
    """

    slots: str
    knowledge: str
    seed: int
    router: str
    cost: float
    quality: float
    right: float
    optimum: float
    same: float
    waited_seconds: float
    decision_p50_us: float
    decision_p99_us: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; code 1 if a router beats the bound, so that one of the two is wrong."""
    parser = argparse.ArgumentParser(prog="aios bench routing", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="some seconds: fewer queries and seeds")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--markdown", type=Path, metavar="PAGE", help="write the tables between the page's marks")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FOLDER", help="where rows and findings go")
    options = parser.parse_args(arguments)
    run = origin(command="aios bench routing" + (" --quick" if options.quick else ""), clock="wall")
    with Console(stderr=True, quiet=options.json).status("routing"):
        rows = [row for cell in cells(quick=options.quick) for row in measure(cell)]
    found = {"run": run, **findings(rows)}
    keep(rows, found, options.results)
    if options.markdown:
        tables.between(options.markdown, routing_tables.MARKS, routing_tables.page(found))
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        tables.show(routing_tables.tables(found))
    for breach in found["breaches"]:
        print(f"breach: {breach}", file=sys.stderr)
    return 1 if found["breaches"] else 0


def cells(*, quick: bool) -> Iterator[Cell]:
    """What is run: ten seeds of 2,000 queries, or some seconds' worth."""
    seeds, count = (2, 500) if quick else (10, 2000)
    for slots, knowledge, seed in product(LOADS, KNOWLEDGE, range(1, seeds + 1)):
        yield Cell(seed, count, slots, knowledge)


def measure(cell: Cell) -> list[Row]:
    """Every router on a cell, beside the optimum in the time that the slowest of them took."""
    stream = queries(cell)
    played = {
        name: play(cell, stream, entrant.make(), patience_seconds=entrant.patience_seconds)
        for name, entrant in ROUTERS.items()
    }
    calls = Calls(
        np.array([query.costs for query in stream]),
        np.array([[offer.quality for offer in cell.offers(query)] for query in stream]),
        np.array([query.seconds for query in stream]),
        [model.slots * max(run.end for run in played.values()) for model in MODELS],
    )
    optimum = least_cost(calls, WANTED)
    truth = [query.chances for query in stream]
    return [
        Row(
            cell.slots,
            cell.knowledge,
            cell.seed,
            name,
            optimum=optimum,
            **_figures(run, calls, truth, compare=name in OURS),
        )
        for name, run in played.items()
    ]


def _figures(run: Played, calls: Calls, truth: Sequence[Sequence[float]], *, compare: bool) -> dict[str, float]:
    chosen = list(enumerate(run.chosen))
    quality = fmean(float(calls.qualities[at]) for at in chosen)
    p50, p99 = np.percentile(run.decision_us, (50, 99))
    return {
        "cost": sum(float(calls.costs[at]) for at in chosen),
        "quality": quality,
        "right": fmean(truth[number][model] for number, model in chosen),
        "same": least_cost(calls, quality) if compare else math.nan,
        "waited_seconds": fmean(run.waited_seconds),
        "decision_p50_us": round(float(p50), 1),
        "decision_p99_us": round(float(p99), 1),
    }


def findings(rows: Sequence[Row]) -> JsonObject:
    """All figures: ratios are paired by seed."""
    kinds = list(dict.fromkeys((row.slots, row.knowledge) for row in rows))
    found = [_cell([row for row in rows if (row.slots, row.knowledge) == kind]) for kind in kinds]
    slowest = max(row.decision_p99_us for row in rows if row.router in OURS)
    return {
        "wanted_quality": WANTED,
        "models": [{**model._asdict(), "quality": told} for model, told in zip(MODELS, declared(), strict=True)],
        "loads": LOADS,
        "cells": found,
        "targets": [*(_near(cell, name) for cell in found for name in OURS), _quick_enough(slowest)],
        "breaches": breaches(rows),
    }


def _cell(rows: Sequence[Row]) -> JsonObject:
    by_router = {name: [row for row in rows if row.router == name] for name in ROUTERS}
    ours = by_router["ours"]
    return {
        "slots": rows[0].slots,
        "knowledge": rows[0].knowledge,
        "seeds": len(ours),
        "optimum_cost": fmean(row.optimum for row in ours),
        "over_the_optimum_at_its_own_quality": {
            name: ratio([r.cost for r in by_router[name]], [r.same for r in by_router[name]]).dump() for name in OURS
        },
        "routers": {
            name: {
                "cost": fmean(row.cost for row in each),
                "quality": fmean(row.quality for row in each),
                "right": fmean(row.right for row in each),
                "cost_over_optimum": ratio([r.cost for r in each], [r.optimum for r in each]).dump(),
                "cost_over_ours": ratio([r.cost for r in each], [r.cost for r in ours]).dump(),
                "right_over_ours": ratio([r.right for r in each], [r.right for r in ours]).dump(),
                "waited_seconds": fmean(row.waited_seconds for row in each),
                "decision_p50_us": fmean(row.decision_p50_us for row in each),
                "decision_p99_us": max(row.decision_p99_us for row in each),
            }
            for name, each in by_router.items()
        },
    }


def _near(cell: JsonObject, name: str) -> JsonObject:
    found = cell["over_the_optimum_at_its_own_quality"][name]
    where = f"{name}, slots {cell['slots']}, qualities {cell['knowledge']}: cost over the optimum's"
    return {"target": where, "wanted": f"<= {FARTHEST}", **found, "met": found["ratio"] <= FARTHEST}


def _quick_enough(slowest_us: float) -> JsonObject:
    return {
        "target": "99 of 100 decisions of ours, in the slowest run: CPU ms",
        "wanted": f"< {SLOWEST_US / 1000:g}",
        "value": round(slowest_us / 1000, 3),
        "met": slowest_us < SLOWEST_US,
    }


def breaches(rows: Sequence[Row]) -> list[str]:
    """Where a router beats what cannot be beaten: one of the two is wrong then."""
    told = []
    for row in rows:
        beaten = row.quality >= WANTED and row.cost < row.optimum * (1 - _ROUNDING)
        if beaten or row.cost < row.same * (1 - _ROUNDING):
            told.append(f"{row.router} beats the optimum: {row}")
    return told


def keep(rows: Sequence[Row], found: JsonObject, folder: Path) -> None:
    """Write the raw rows and the findings."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "routing.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(Row._fields)
        writer.writerows(rows)
    (folder / "routing.json").write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
