"""Throughput with 1, 2 and 4 LLM workers before one engine: `python -m benchmarks.scaling`. It grows up to the slots."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.acceptance import errands
from tests.acceptance.system import THREADS, Node, System

SLOTS = 8
PER_WORKER = 2
ENGINE = ("--backend", "simulated", "--slots", "16", "--answer-tokens", "64", "--step-ms", "10")


def main() -> int:
    """Measure each; prints a row each."""
    parser = argparse.ArgumentParser(prog="benchmarks.scaling", description=__doc__)
    parser.add_argument("--agents", type=int, default=60, help="of one question each, per measurement")
    options = parser.parse_args()
    print(f"{SLOTS} slots, {PER_WORKER} calls at once per worker, {options.agents} agents of one question")
    alone = 0.0
    for workers in (1, 2, 4):
        rate, busy = measure(workers, agents=options.agents)
        alone = alone or rate
        print(
            f"{workers} workers: {rate:5.2f} calls a second, {rate / alone:4.2f} times one worker's; {busy:.1f} in flight"
        )
    return 0


def measure(workers: int, *, agents: int) -> tuple[float, float]:
    """Calls per second, and calls in flight on average, from the first to the last."""
    fleet = (
        Node("agent-1", "agent", (*THREADS, "4")),
        *(Node(f"llm-{n}", "llm", (*THREADS, str(PER_WORKER))) for n in range(1, workers + 1)),
    )
    env = {**errands.ENV, "AIOS_LLM__SLOTS": str(SLOTS)}
    with System(Path(tempfile.mkdtemp(prefix="aios-scaling-")), fleet=fleet, engine=ENGINE, env=env) as system:
        system.client.run("asker", "warm up", timeout=60)
        begun = time.time()
        ids = [system.client.submit("asker", f"question {n}") for n in range(agents)]
        open_ = "SELECT count(*) FROM agents WHERE id = ANY(%s::uuid[]) AND finished_at IS NULL"
        system.wait(lambda: system.query(open_, ids)[0][0] == 0, seconds=600, what="the answers")
        rows = system.query(
            """
            SELECT extract(epoch FROM max(finished_at) - min(started_at))::float,
                   extract(epoch FROM sum(finished_at - started_at))::float
            FROM syscalls WHERE pool = 'llm' AND created_at > to_timestamp(%s)
            """,
            begun,
        )
        span, busy = (float(str(value)) for value in rows[0])
        return agents / span, busy / span


if __name__ == "__main__":
    sys.exit(main())
