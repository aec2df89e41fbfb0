"""What batching and more agents change, in virtual time: E2 (1, 4 and 8 slots) and E3 (250 to 10,000 agents).

The same agents, strategies and rules of E0 as `aios bench policies`. One figure is not virtual: `cpu_us_per_call`, this
machine's own time for simulating a call, policy and core model together; it tells whether deciding grows dearer with more
agents. Rows, findings and pictures go to benchmarks/results/.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from benchmarks.origin import RESULTS
from benchmarks.policies import origin
from benchmarks.simulation import growth_tables, tables
from benchmarks.simulation.growth import SHOWN, Plan, findings, timed, waits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.simulation.experiments import Outcome
    from benchmarks.simulation.findings import Findings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="aios bench scale", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="up to 2,000 agents, half a minute")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--jobs", type=int, default=2, help="processes; only the CPU figure depends on it")
    parser.add_argument("--markdown", type=Path, metavar="PAGE", help="write the tables between the page's marks")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FOLDER", help="where rows and findings go")
    options = parser.parse_args(arguments)
    run = origin(command="aios bench scale" + (" --quick" if options.quick else ""))
    with (
        Console(stderr=True, quiet=options.json).status("simulating"),
        ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool,
    ):
        outcomes = list(pool.map(timed, Plan.of(quick=options.quick).cells()))
        shown = dict(zip(SHOWN, pool.map(waits, SHOWN), strict=True))
    found = {"run": run, **findings(outcomes)}
    keep(outcomes, found, shown, options.results)
    if options.markdown:
        tables.between(options.markdown, growth_tables.MARKS, _page(found))
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        tables.show(growth_tables.tables(found))
    for breach in found["breaches"]:
        print(f"E0 broken, nothing counts: {breach}", file=sys.stderr)
    return 0 if found["valid"] else 1


def keep(outcomes: Sequence[Outcome], found: Findings, shown: Mapping[str, Sequence[float]], folder: Path) -> None:
    """Write the raw rows, the waits' quantiles, the findings and, where matplotlib is installed, the pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [outcome.row() for outcome in outcomes]
    with (folder / "scale.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(dict.fromkeys(name for row in rows for name in row)))
        writer.writeheader()
        writer.writerows(rows)
    with (folder / "scale-waits.csv").open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["share", *shown])
        count = len(next(iter(shown.values())))
        lines.writerows([place / (count - 1), *(q[place] for q in shown.values())] for place in range(count))
    (folder / "scale.json").write_text(json.dumps(found, indent=2) + "\n")
    growth_tables.draw(found, shown, folder)


def _page(found: Findings) -> str:
    run = found["run"]
    state = "every run passed E0" if found["valid"] else "**void: a run broke a rule of E0**"
    line = (
        f"{found['runs']} runs in virtual time, {state}. Commit {run['commit']}, {run['python']}, `{run['command']}`."
    )
    return f"{line}\n\n{tables.markdown(growth_tables.tables(found))}"


if __name__ == "__main__":
    sys.exit(main())
