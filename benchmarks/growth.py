"""Growth of the real kernel (E3): 250 to 2,000 agents at once, real processes, Postgres, Valkey and Celery.

Every agent thinks, calculates and answers, as ReAct does; the engine is simulated and takes its time. Measured are the CPU
and the wall time per agent at each size, the smallest one before and after all others, and how much memory an agent takes
that waits for the model: the growth of everything that runs here from 200 to 2,000 of them.
"""

from __future__ import annotations

import argparse
import csv
import json
import shlex
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Final

import psycopg
from rich.console import Console

from benchmarks import origin
from benchmarks.fleet import Fleet
from benchmarks.growth_tables import MARKS, page, tables_of
from benchmarks.simulation import tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.simulation.findings import Findings

SLOTS: Final = 32
STEPS: Final = 1  # of thought and tool, and then an answer: three syscalls of an agent
_HOLD_SECONDS: Final = 600
_SETTLE_SECONDS: Final = 5.0
_PATIENCE_SECONDS: Final = 900.0
_WAITING = "SELECT count(*) FROM syscalls WHERE pool = 'llm' AND state IN ('queued', 'running')"
_OPEN = "SELECT count(*) FROM agents WHERE finished_at IS NULL"
_FAILED = "SELECT count(*) FROM agents WHERE state <> 'done'"
_SPAN = """
    SELECT extract(epoch FROM max(finished_at) - min(created_at))::float AS wall_s FROM agents WHERE id = ANY(%s::uuid[])
"""
_WAIT = """
    SELECT avg(w)::float, percentile_cont(0.9) WITHIN GROUP (ORDER BY w)::float FROM (
        SELECT extract(epoch FROM s.started_at - s.created_at) AS w
        FROM syscalls s JOIN requests r ON r.id = s.request_id WHERE r.agent_id = ANY(%s::uuid[]) AND s.pool = 'llm'
    ) AS waits
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """How many agents: of each size in turn, and waiting at once for the two measurements of memory."""

    sizes: tuple[int, ...]
    waiting: tuple[int, int]

    @classmethod
    def of(cls, *, quick: bool) -> Plan:
        """A minute and a half, or six minutes."""
        return cls((100, 400, 100), (100, 500)) if quick else cls((250, 500, 1000, 2000, 250), (200, 2000))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="aios bench scale --real", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="up to 500 agents, a minute and a half")
    parser.add_argument("--sizes", type=int, nargs="+", help="other numbers of agents; the smallest one first and last")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--profile", choices=["pools", "fused"], default="pools", help="how work changes hands")
    parser.add_argument("--markdown", type=Path, metavar="PAGE", help="write the tables between the page's marks")
    parser.add_argument("--results", type=Path, default=origin.RESULTS, metavar="FOLDER", help="where rows go")
    options = parser.parse_args(arguments)
    plan = Plan.of(quick=options.quick)
    if options.sizes:
        plan = replace(plan, sizes=tuple(options.sizes))
    run = origin.origin(command=shlex.join(["python", "-m", "benchmarks.growth", *(arguments or ())]), clock="wall")
    console = Console(stderr=True, quiet=options.json)
    with tempfile.TemporaryDirectory(prefix="aios-growth-") as folder:
        found = {"run": run, **measure(Path(folder), plan, console, profile=options.profile)}
    keep(found, options.results)
    if options.markdown:
        keep(found, options.markdown.parent / "rows")
        tables.between(options.markdown, MARKS, page(found))
    print(json.dumps(found, indent=2)) if options.json else tables.show(tables_of(found))
    return 0


def measure(folder: Path, plan: Plan, console: Console, *, profile: str) -> Findings:
    """All figures of one run."""
    hold = ("--backend", "scripted", "--latency-ms", str(1000 * _HOLD_SECONDS))
    with (
        console.status("agents that wait"),
        Fleet(folder / "waiting", slots=SLOTS, engine=hold, profile=profile) as fleet,
    ):
        waiting = _waiting(_staffed(fleet), plan.waiting)
    with Fleet(folder / "growing", slots=SLOTS, engine=("--slots", str(SLOTS)), profile=profile) as fleet:
        _at_once(_staffed(fleet), 32)  # connections plan their statements on the first uses
        sizes = []
        for agents in plan.sizes:
            with console.status(f"{agents} agents"):
                sizes.append(_at_once(fleet, agents))
    return {"profile": profile, "sizes": sizes, "waiting": waiting, **findings(sizes, waiting)}


def _staffed(fleet: Fleet) -> Fleet:
    fleet.worker("agent", queues="agent", concurrency=4)
    fleet.worker("llm", queues="llm", concurrency=SLOTS)
    fleet.worker("tool", queues="tool", concurrency=4)
    return fleet


def _at_once(fleet: Fleet, agents: int) -> Findings:
    """So many agents at once, from the first one's submission to the last one's end."""
    cpu = fleet.cpu_seconds()
    ids = [fleet.client.submit("thinks", STEPS) for _ in range(agents)]
    _until(fleet, _OPEN, 0)
    spent = {name: used - cpu[name] for name, used in fleet.cpu_seconds().items()}
    if failed := _row(fleet, _FAILED)[0]:
        raise SystemExit(f"{failed} agents did not end well")
    wall, (mean, p90) = _row(fleet, _SPAN, ids)[0], _row(fleet, _WAIT, ids)
    return {
        "agents": agents,
        "wall_s": round(wall, 2),
        "wall_ms_per_agent": round(1000 * wall / agents, 2),
        "cpu_ms_per_agent": round(1000 * sum(spent.values()) / agents, 2),
        "cpu_ms_per_agent_by_part": {name: round(1000 * used / agents, 2) for name, used in spent.items()},
        "syscalls_per_s": round((2 * STEPS + 1) * agents / wall, 1),
        "mean_wait_s": round(mean, 2),
        "p90_wait_s": round(p90, 2),
        "memory_mb": round(sum(fleet.memory_bytes().values()) / 1e6, 1),
    }


def _waiting(fleet: Fleet, counts: tuple[int, int]) -> list[Findings]:
    """Memory with so many agents whose first LLM call waits: the engine answers nobody."""
    found: list[Findings] = []
    for count in counts:
        have = found[-1]["agents"] if found else 0
        for _ in range(count - have):
            fleet.client.submit("thinks", STEPS)
        _until(fleet, _WAITING, count)
        time.sleep(_SETTLE_SECONDS)  # beats and ticks go on, and buffers have gone back
        found.append({"agents": count, "bytes": fleet.memory_bytes()})
    return found


def findings(sizes: Sequence[Findings], waiting: Sequence[Findings]) -> Findings:
    """Most agents over fewest, the fewest being the mean of the first and the last run; and bytes per waiting agent."""
    fewest = min(size["agents"] for size in sizes)
    most = max(sizes, key=lambda size: int(size["agents"]))
    first = [size for size in sizes if size["agents"] == fewest]
    ((less, more),) = pairwise(waiting)
    grown = {name: more["bytes"][name] - less["bytes"][name] for name in more["bytes"]}
    apart = more["agents"] - less["agents"]
    return {
        "most_over_fewest": {
            name: round(most[name] / fmean(size[name] for size in first), 3)
            for name in ("wall_ms_per_agent", "cpu_ms_per_agent")
        },
        "bytes_per_waiting_agent": round(sum(grown.values()) / apart),
        "bytes_per_waiting_agent_by_part": {name: round(used / apart) for name, used in grown.items()},
    }


def _until(fleet: Fleet, statement: str, wanted: int) -> None:
    """Wait for a count.

    Raises:
        SystemExit: it does not come.
    """
    end = time.monotonic() + _PATIENCE_SECONDS
    while (count := _row(fleet, statement)[0]) != wanted:
        if time.monotonic() > end:
            raise SystemExit(f"{count} instead of {wanted} after {_PATIENCE_SECONDS:g} s: {statement}")
        time.sleep(0.5)


def _row(fleet: Fleet, statement: str, *values: object) -> tuple[float, ...]:
    with psycopg.connect(fleet.settings.database_url) as connection:
        row = connection.execute(statement.encode(), values or None).fetchone()
    assert row is not None
    return tuple(row)


def keep(found: Findings, folder: Path) -> None:
    """Write the raw rows and the findings."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "growth.csv").open("w", newline="") as file:
        names = [name for name in found["sizes"][0] if name != "cpu_ms_per_agent_by_part"]
        lines = csv.DictWriter(file, names, extrasaction="ignore")
        lines.writeheader()
        lines.writerows(found["sizes"])
    (folder / "growth.json").write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
