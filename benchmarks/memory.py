"""What the memory manager is worth: replacement policies beside each other (E6), its two tiers, and search over many notes.

The first part is pure and the same everywhere. The others run on a real Postgres with pgvector and a real Valkey, in this
process: times are of the statements and commits alone, without queues and workers. Rows and findings go to
benchmarks/results/.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from aios.db import schema
from aios.db.session import Database
from aios.local.stack import Services
from benchmarks import memory_tables, nearest, tiers
from benchmarks.origin import RESULTS, origin
from benchmarks.replacement import POLICIES, Row, Shape, ratios, rows
from benchmarks.simulation import tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aios.kernel.values import JsonObject

SLOWEST_P95_MS = 30.0
LEAST_RECALL = 0.95


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    shape: Shape
    seeds: tuple[int, ...]
    reads: int
    notes: int
    queries: int

    @classmethod
    def of(cls, *, quick: bool) -> Plan:
        """Half a minute, or a few."""
        if quick:
            return cls(Shape(20_000, 2_000, 100), (1,), 400, 20_000, 60)
        return cls(Shape(60_000, 4_000, 200), tuple(range(1, 11)), 1_500, 100_000, 200)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run it; code 1 if a bound does not hold."""
    parser = argparse.ArgumentParser(prog="aios bench memory", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="20,000 notes and short traces instead of 100,000")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--markdown", type=Path, metavar="PAGE", help="write the tables between the page's marks")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FOLDER", help="where rows and findings go")
    options = parser.parse_args(arguments)
    run = origin(command="aios bench memory" + (" --quick" if options.quick else ""), clock="wall")
    plan, console = Plan.of(quick=options.quick), Console(stderr=True, quiet=options.json)
    with console.status("traces"):
        traced = rows(plan.shape, seeds=plan.seeds)
    found = {"run": run, **measure(plan, traced, console)}
    keep(found, traced, options.results)
    if options.markdown:
        tables.between(options.markdown, memory_tables.MARKS, memory_tables.page(found))
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        tables.show(memory_tables.tables(found))
    for breach in found["breaches"]:
        print(f"breach: {breach}", file=sys.stderr)
    if found["breaches"]:
        raise SystemExit(1)


def measure(plan: Plan, traced: Sequence[Row], console: Console) -> JsonObject:
    """All figures, and which bounds do not hold."""
    found: JsonObject = {
        "shape": plan.shape._asdict(),
        "seeds": len(plan.seeds),
        "hit_ratios": ratios(traced),
    }
    with tempfile.TemporaryDirectory(prefix="aios-bench-") as folder, Services(Path(folder)) as services:
        database = Database(services.database_url)
        schema.upgrade(database)
        with console.status("tiers"):
            found["tiers"] = tiers.measure(database, services.redis_url, reads=plan.reads)
        with console.status(f"{plan.notes} notes"):
            corpus = nearest.Corpus.of(plan.notes, queries=plan.queries, owners=50, seed=1)
            loaded = nearest.load(database, corpus)
        with console.status("search"):
            found["search"] = {
                "notes": plan.notes,
                "load_seconds": round(loaded, 1),
                "index": nearest.index(database),
                "scopes": nearest.measure(database, corpus),
            }
        database.close()
    return {**found, "breaches": breaches(found)}


def keep(found: JsonObject, traced: Sequence[Row], folder: Path) -> None:
    """Write the raw rows of the traces, and the findings."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "memory.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(Row._fields)
        writer.writerows(traced)
    (folder / "memory.json").write_text(json.dumps(found, indent=2) + "\n")


def breaches(found: JsonObject) -> list[str]:
    """The bounds that do not hold, each in words."""
    scan = found["hit_ratios"]["scan"]
    told = [] if scan["LRU-2"] > scan["LRU"] else [f"LRU-2 does not beat LRU on the scan: {scan}"]
    for name, row in found["hit_ratios"].items():
        better = [policy for policy in POLICIES if row[policy] > row["Belady"] + 1e-9]
        told += [f"{policy} beats Belady on {name}: one of the two is wrong" for policy in better]
    quota = found["tiers"]["quota_bytes"]
    for name in ("LRU-2", "LRU"):
        most = found["tiers"][name]["most_bytes"]
        told += [f"{name} held {most} bytes of {quota}"] if most > quota else []
    for name, scope in found["search"]["scopes"].items():
        if scope.get("recall_at_10", 1.0) < LEAST_RECALL:
            told.append(f"recall@10 is {scope['recall_at_10']} in the {name}")
        if scope["search_ms"]["p95"] > SLOWEST_P95_MS:
            told.append(f"p95 of a search is {scope['search_ms']['p95']} ms in the {name}")
    return told


if __name__ == "__main__":
    main()
