"""This kernel beside its durable peers (E13): the same agent, engine and Postgres, in the same run.

The agent thinks, remembers and writes a file, twice, and thinks once more: seven operations. A peer that cannot be installed
is named, with the reason, and the others are measured.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from benchmarks.fleet import Fleet
from benchmarks.origin import RESULTS, line, origin
from benchmarks.peers import report
from benchmarks.peers.contenders import CONCURRENCY, Contender
from benchmarks.peers.environment import Unavailable
from benchmarks.peers.kernel import PROFILES, Kernel
from benchmarks.peers.measure import Cell, Plan, Trial
from benchmarks.peers.peer import KINDS, Peer
from benchmarks.peers.speaker import Silent
from benchmarks.simulation import tables

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.simulation.findings import Findings

ENGINE = ("--zero-latency", "--slots", "64", "--context", "400000")
TITLES = {name: f"this kernel, {name}" for name in PROFILES} | {kind.name: kind.title for kind in KINDS}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="aios bench peers", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two minutes instead of a quarter of an hour")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--only", action="append", choices=TITLES, help="measure this one; may be given several times")
    parser.add_argument("--passes", type=int, default=0, help="over all contenders, every second one backwards")
    parser.add_argument("--markdown", type=Path, metavar="PAGE", help="write the tables between the page's marks")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FOLDER", help="where rows and findings go")
    options = parser.parse_args(arguments)
    names = options.only or list(TITLES)
    plan = Plan.of(quick=options.quick)
    plan = replace(plan, passes=options.passes or plan.passes)
    said = ["aios bench peers", *(["--quick"] if options.quick else []), f"--passes {plan.passes}"]
    run = origin(command=" ".join([*said, *(f"--only {name}" for name in options.only or ())]), clock="wall")
    console = Console(stderr=True, quiet=options.json)
    with tempfile.TemporaryDirectory(prefix="aios-peers-") as folder:
        rows, versions = measured(Path(folder), names, plan, console)
    found = {"run": run, "versions": versions, **report.findings(rows, {name: TITLES[name] for name in names})}
    keep(rows, found, options.results)
    if options.markdown:
        tables.between(options.markdown, report.MARKS, _page(found))
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        tables.show(report.tables(found))
    return 0


def measured(
    folder: Path, names: Sequence[str], plan: Plan, console: Console
) -> tuple[list[Cell], dict[str, dict[str, str]]]:
    """The rows of all passes, contender after contender, every second pass backwards; and what was installed."""
    rows: list[Cell] = []
    versions: dict[str, dict[str, str]] = {}
    with Fleet(folder, slots=2 * CONCURRENCY, engine=ENGINE) as fleet:
        for turn in range(1, plan.passes + 1):
            for name in names if turn % 2 else reversed(names):
                with console.status(f"{TITLES[name]}, pass {turn} of {plan.passes}"):
                    cells = _cells(name, fleet, folder, plan, versions)
                    rows += [{"contender": name, "pass": turn, **cell} for cell in cells]
    return rows, versions


def _cells(name: str, fleet: Fleet, folder: Path, plan: Plan, versions: dict[str, dict[str, str]]) -> Iterator[Cell]:
    """What one contender gives, and why there is no more of it."""
    try:
        contender = contender_of(name, fleet, folder)
        versions[name] = contender.versions
        yield from Trial(fleet, contender, plan).cells()
    except (Unavailable, Silent) as error:
        yield {"cell": "missing", "why": str(error)}


def contender_of(name: str, fleet: Fleet, folder: Path) -> Contender:
    """A contender by its name.

    Raises:
        Unavailable: it cannot be installed here.
    """
    if name in PROFILES:
        return Kernel(fleet, name)
    return Peer(fleet, next(kind for kind in KINDS if kind.name == name), folder)


def keep(rows: Sequence[Cell], found: Findings, folder: Path) -> None:
    """Write the rows and the findings."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "peers.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(dict.fromkeys(name for row in rows for name in row)))
        writer.writeheader()
        writer.writerows(rows)
    (folder / "peers.json").write_text(json.dumps(found, indent=2) + "\n")


def _page(found: Findings) -> str:
    installed = {name: version for versions in found["versions"].values() for name, version in versions.items()}
    said = ", ".join(f"{name} {version}" for name, version in sorted(installed.items()))
    return f"{line(found['run'])} {said}.\n\n{tables.markdown(report.tables(found))}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
