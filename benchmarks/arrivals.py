"""Overhead under open arrivals (E9): what the kernel adds to an LLM call while 250 are in flight.

In one run: the throughput at which everything is busy; then agents that arrive at random (Poisson) at half of it, before an
engine that takes as long as it must for 250 calls to be in flight; bare Celery with the same arrivals, in turns with the
kernel; and the published AIOS's FIFO by its description, in virtual time. Added is what a call took from its request in the
journal to the agent's next one, less what the engine's own log says that it took itself.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from benchmarks import origin
from benchmarks.arriving import report
from benchmarks.arriving.kernel import arrive
from benchmarks.arriving.load import CALLS, IN_FLIGHT, Load
from benchmarks.arriving.rivals import bare_celery, published_fifo
from benchmarks.fleet import Fleet
from benchmarks.simulation import tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.arriving.kernel import Segment
    from benchmarks.simulation.findings import Findings

SLOTS = IN_FLIGHT + 150  # arrivals are random: so many are never in flight
AGENT_THREADS = 4
WORKERS = {  # name: queues and threads; what goes on by itself serves both queues, with one worker for each core
    "pools": {"agent": ("agent", AGENT_THREADS), "llm": ("llm", SLOTS)},
    "fused": dict.fromkeys(("first", "second"), ("agent,llm", SLOTS // 2)),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured: seconds of each stretch, how often kernel and bare take turns, agents for the throughput."""

    seconds: float
    turns: int
    agents: int

    @classmethod
    def of(cls, *, quick: bool) -> Plan:
        """A minute and a half, or four minutes: kernel, bare, bare, kernel."""
        return cls(12.0, 1, 300) if quick else cls(30.0, 2, 1000)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="aios bench arrivals", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute and a half instead of four")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--profile", choices=["pools", "fused"], default="pools", help="how work changes hands")
    parser.add_argument("--markdown", type=Path, metavar="PAGE", help="write the tables between the page's marks")
    parser.add_argument("--results", type=Path, default=origin.RESULTS, metavar="FOLDER", help="where rows go")
    options = parser.parse_args(arguments)
    command = f"aios bench arrivals --profile {options.profile}" + (" --quick" if options.quick else "")
    run = origin.origin(command=command, clock="wall")
    console = Console(stderr=True, quiet=options.json)
    with tempfile.TemporaryDirectory(prefix="aios-arrivals-") as folder:
        found, rows = measure(Path(folder), Plan.of(quick=options.quick), console, profile=options.profile)
    found = {"run": run, **found}
    keep(found, rows, options.results)
    if options.markdown:
        keep(found, rows, options.markdown.parent / "rows")
        tables.between(options.markdown, report.marks(options.profile), report.page(found))
    print(json.dumps(found, indent=2)) if options.json else tables.show(report.tables_of(found))
    return 0


def measure(folder: Path, plan: Plan, console: Console, *, profile: str) -> tuple[Findings, list[report.Row]]:
    """All figures of one run, and a row of each call."""
    log = folder / "engine.jsonl"
    with Fleet(folder, slots=SLOTS, engine=("--backend", "scripted", "--log", str(log)), profile=profile) as fleet:
        for name, (queues, threads) in WORKERS[profile].items():
            fleet.worker(name, queues=queues, concurrency=threads)
        with console.status("throughput"):
            throughput = _throughput(fleet, plan)
        load = Load.of(throughput, measured_seconds=plan.seconds)
        fleet.worker("bare-a", queues="bare-a", concurrency=AGENT_THREADS, app="benchmarks.bare")
        fleet.worker("bare-b", queues="bare-b", concurrency=SLOTS, app="benchmarks.bare")
        fleet.tell_engine(latency_ms=1000 * load.engine_seconds)
        segments, bare = _in_turns(fleet, load, plan, console, log=log)
    published = published_fifo(load, seed=0)
    found: Findings = {
        "profile": profile,
        "llm_syscalls_per_second": round(throughput, 1),
        "load": asdict(load),
        **report.findings(segments, bare, published),
    }
    return found, report.rows(segments, bare)


def _throughput(fleet: Fleet, plan: Plan) -> float:
    """Calls a second of the agents that will arrive, while more want one than can have it and the engine answers at once."""
    _crowd(fleet, 32)  # connections plan their statements on the first uses
    begun = time.monotonic()
    _crowd(fleet, plan.agents)
    return plan.agents * CALLS / (time.monotonic() - begun)


def _crowd(fleet: Fleet, agents: int) -> None:
    ids = [fleet.client.submit("calls", CALLS) for _ in range(agents)]
    for agent in ids:
        fleet.client.result(agent, timeout=300).unwrap()


def _in_turns(
    fleet: Fleet, load: Load, plan: Plan, console: Console, *, log: Path
) -> tuple[list[Segment], list[list[float]]]:
    """Kernel, bare, bare, kernel: what grows or drifts does so for both."""
    segments, bare = [], []
    for turn in range(plan.turns):
        order = ("kernel", "bare Celery") if turn % 2 == 0 else ("bare Celery", "kernel")
        for who in order:
            with console.status(f"{who}, {load.calls_per_second:.0f} calls/s of {load.engine_seconds:.1f} s"):
                if who == "kernel":
                    segments.append(arrive(fleet, load, seed=turn, log=log, cores=os.cpu_count() or 1))
                else:
                    bare.append(bare_celery(fleet, load, seed=turn, name=f"turn{turn}"))
    return segments, bare


def keep(found: Findings, rows: Sequence[report.Row], folder: Path) -> None:
    """Write the raw rows and the findings."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"arrivals-{found['profile']}"
    with (folder / f"{name}.csv").open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(report.COLUMNS)
        lines.writerows(rows)
    (folder / f"{name}.json").write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
