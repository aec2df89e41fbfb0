"""What the memory manager is worth: replacement policies beside each other (E6), its two tiers, and search over many notes.

The first part is pure and the same everywhere. The others run on a real Postgres with pgvector and a real Valkey, in this
process: times are of the statements and commits alone, without queues and workers.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from aios.db import schema
from aios.db.session import Database
from aios.local.stack import Services
from benchmarks import nearest, tiers
from benchmarks.replacement import POLICIES, Shape, ratios

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
            return cls(Shape(20_000, 2_000, 100), (1,), 400, 5_000, 60)
        return cls(Shape(60_000, 4_000, 200), (1, 2, 3), 1_500, 100_000, 200)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run it; code 1 if a bound does not hold."""
    parser = argparse.ArgumentParser(prog="aios bench memory", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="5,000 notes and short traces instead of 100,000")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    console = Console(stderr=True, quiet=options.json)
    found = measure(Plan.of(quick=options.quick), console)
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        show(found)
    for breach in found["breaches"]:
        print(f"breach: {breach}", file=sys.stderr)
    if found["breaches"]:
        raise SystemExit(1)


def measure(plan: Plan, console: Console) -> JsonObject:
    """All figures, and which bounds do not hold."""
    with console.status("traces"):
        found: JsonObject = {"shape": plan.shape._asdict(), "hit_ratios": ratios(plan.shape, seeds=plan.seeds)}
    with tempfile.TemporaryDirectory(prefix="aios-bench-") as folder, Services(Path(folder)) as services:
        database = Database(services.database_url)
        schema.upgrade(database)
        with console.status("tiers"):
            found["tiers"] = tiers.measure(database, services.redis_url, reads=plan.reads)
        with console.status(f"{plan.notes} notes"):
            corpus = nearest.Corpus.of(plan.notes, queries=plan.queries, owners=50, seed=1)
            loaded = nearest.load(database, corpus)
        with console.status("search"):
            found["search"] = {"notes": plan.notes, "load_seconds": round(loaded, 1)}
            found["search"]["scopes"] = nearest.measure(database, corpus)
        database.close()
    return {**found, "breaches": breaches(found)}


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
        if scope["recall_at_10"] < LEAST_RECALL:
            told.append(f"recall@10 is {scope['recall_at_10']} in the {name}")
        if scope["search_ms"]["p95"] > SLOWEST_P95_MS:
            told.append(f"p95 of a search is {scope['search_ms']['p95']} ms in the {name}")
    return told


def show(found: JsonObject) -> None:
    """The same for people."""
    console = Console()
    shape = found["shape"]
    table = Table(title=f"Hit ratio: {shape['accesses']} accesses, {shape['pages']} pages, {shape['capacity']} held")
    for column in ("trace", *POLICIES, "LRU-2 of what is possible"):
        table.add_column(column, justify="left" if column == "trace" else "right")
    for name, row in found["hit_ratios"].items():
        table.add_row(name, *(f"{row[policy]:.3f}" for policy in POLICIES), f"{row['LRU-2'] / row['Belady']:.0%}")
    console.print(table)
    table = Table(title=f"Reads of {found['tiers']['block_bytes']} bytes, scan-polluted; times of both tiers together")
    for column in ("cache", "hit ratio", "evicted", "most bytes", "p50 ms", "p99 ms"):
        table.add_column(column, justify="left" if column == "cache" else "right")
    for name in ("LRU-2", "LRU", "no cache"):
        row = found["tiers"][name]
        cells = (row["hit_ratio"], row["evicted"], row["most_bytes"], row["read_ms"]["p50"], row["read_ms"]["p99"])
        table.add_row(name, *map(str, cells))
    console.print(table)
    table = Table(title=f"Search among {found['search']['notes']} notes")
    for column in ("where", "notes", "recall@10", "p50 ms", "p95 ms", "p99 ms", "meaning alone, p95 ms"):
        table.add_column(column, justify="left" if column == "where" else "right")
    for name, scope in found["search"]["scopes"].items():
        times = scope["search_ms"]
        cells = (scope["notes"], scope["recall_at_10"], times["p50"], times["p95"], times["p99"])
        table.add_row(name, *map(str, cells), str(scope["by_meaning_ms"]["p95"]))
    console.print(table)


if __name__ == "__main__":
    main()
