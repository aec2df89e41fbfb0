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
from benchmarks.routing_findings import OURS, WANTED, Row, findings
from benchmarks.routing_pool import LOADS, MODELS, Cell, play, queries
from benchmarks.simulation import tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from aios.kernel.thrift import Offer
    from aios.kernel.values import JsonObject
    from benchmarks.routing_pool import Played, Router

KNOWLEDGE: Final = ("declared", "told")


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


ROUTERS: Final = {
    "ours": Entrant(lambda: Thrift(WANTED)),
    "ours, patient": Entrant(lambda: Thrift(WANTED), 2.0),
    "round robin": Entrant(RoundRobin),
    "cheapest": Entrant(lambda: Fixed(lambda offer: offer.cost)),
    "best": Entrant(lambda: Fixed(lambda offer: -offer.quality)),
}


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
    seeds, count = (2, 400) if quick else (10, 2000)
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
    whole, later = Stretch(run, calls, 0), Stretch(run, calls, len(truth) // 10)
    p50, p99 = np.percentile(run.decision_us, (50, 99))
    return {
        "cost": whole.cost,
        "quality": whole.quality,
        "right": fmean(chances[model] for chances, model in zip(truth, run.chosen, strict=True)),
        "same": whole.least() if compare else math.nan,
        "later_cost": later.cost,
        "later_same": later.least() if compare else math.nan,
        "waited_seconds": fmean(run.waited_seconds),
        "decision_p50_us": round(float(p50), 1),
        "decision_p99_us": round(float(p99), 1),
    }


class Stretch:
    """What a router did with the queries from one on."""

    def __init__(self, run: Played, calls: Calls, begin: int) -> None:
        self._calls = Calls(calls.costs[begin:], calls.qualities[begin:], calls.seconds[begin:], calls.limits)
        chosen = (np.arange(len(run.chosen) - begin), np.array(run.chosen[begin:]))
        self.cost = float(self._calls.costs[chosen].sum())
        self.quality = float(self._calls.qualities[chosen].mean())

    def least(self) -> float:
        """The least that they could cost at the quality that was reached."""
        return least_cost(self._calls, self.quality)


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
