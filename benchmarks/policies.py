"""What a scheduling policy is worth, in virtual time: E0 (sanity), E1 (strategies in a closed batch), and open arrivals.

Every run is one seed's agents before one simulated core, under one strategy; no clock of this machine enters. The kernel's
policies run through the functions of `aios.kernel.scheduling`; baselines B0-B4 run beside them. A run that breaks a rule
of E0 voids the whole result (exit code 1). Raw rows, findings and pictures go to benchmarks/results/.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from benchmarks import origin as where
from benchmarks.simulation import pictures, tables
from benchmarks.simulation.experiments import BASELINES, Outcome, run_all
from benchmarks.simulation.findings import findings
from benchmarks.simulation.plan import Plan
from benchmarks.simulation.workload import parameters

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.simulation.findings import Findings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="aios bench policies", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute instead of several")
    parser.add_argument(
        "--smoke", action="store_true", help="one seed of each, some seconds: whether it holds, not how much"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--jobs", type=int, default=2, help="processes; the result does not depend on it")
    parser.add_argument("--markdown", type=Path, metavar="PAGE", help="write the tables between the page's marks")
    parser.add_argument(
        "--results", type=Path, default=where.RESULTS, metavar="FOLDER", help="where rows and findings go"
    )
    parser.add_argument(
        "--again", action="store_true", help="simulate nothing: compute all from the raw rows that are there"
    )
    options = parser.parse_args(arguments)
    with Console(stderr=True, quiet=options.json).status("simulating"):
        if options.again:
            run, outcomes = kept(options.results)
        else:
            size = " --quick" if options.quick else " --smoke" if options.smoke else ""
            run = origin(command=f"aios bench policies{size}")
            outcomes = run_all(Plan.of(quick=options.quick, smoke=options.smoke).cells(), jobs=options.jobs)
        found = {"run": run, **findings(outcomes)}
    keep(outcomes, found, options.results)
    if options.markdown:
        tables.write_markdown(found, options.markdown)
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        tables.show(tables.tables(found))
    for breach in found["breaches"]:
        print(f"E0 broken, nothing counts: {breach}", file=sys.stderr)
    return 0 if found["valid"] else 1


def keep(outcomes: Sequence[Outcome], found: Findings, folder: Path) -> None:
    """Write the raw rows, the findings and, where matplotlib is installed, the pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [outcome.row() for outcome in outcomes]
    with (folder / "policies.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(dict.fromkeys(name for row in rows for name in row)))
        writer.writeheader()
        writer.writerows(rows)
    (folder / "policies.json").write_text(json.dumps(found, indent=2) + "\n")
    pictures.draw(found, folder)


def kept(folder: Path) -> tuple[Findings, list[Outcome]]:
    """Where the rows in a folder come from, and the rows."""
    run: Findings = json.loads((folder / "policies.json").read_text())["run"]
    with (folder / "policies.csv").open(newline="") as file:
        return run, [Outcome.of_row(row) for row in csv.DictReader(file)]


def origin(*, command: str) -> Findings:
    """Where figures in virtual time come from, the workload's parameters included."""
    return {
        **where.origin(command=command, clock="virtual"),
        "rho": parameters()["arrivals"]["rho"],
        "baselines": BASELINES,
        "parameters": parameters(),
        "ratio_to_fifo": "the policy's mean over FIFO's, paired by seed; fifo_over_it is the other way round",
    }


if __name__ == "__main__":
    sys.exit(main())
