"""What streamed tokens cost while many answers are written at once: `python -m benchmarks.streaming --calls 64 --step-ms 50`.

The engine gives every call a token at each step, as one that batches does. Ideal is what the engine takes for an answer.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import redis
from rich.console import Console
from rich.table import Table

from benchmarks.fleet import Fleet

AGENT_THREADS, TOKENS = 4, 16


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="benchmarks.streaming", description=__doc__)
    parser.add_argument("--calls", type=int, default=64, help="at once")
    parser.add_argument("--step-ms", type=float, default=50.0, help="what a token takes")
    parser.add_argument("--rounds", type=int, default=6, help="of an answer of 16 tokens to each")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="aios-streaming-") as folder:
        found = measure(Path(folder), calls=options.calls, step_ms=options.step_ms, rounds=options.rounds)
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        table = Table("what", "figure", title=f"{options.calls} answers of {TOKENS} tokens at once")
        for name, value in found.items():
            table.add_row(name.replace("_", " "), str(value))
        Console().print(table)
    return 0


def measure(folder: Path, *, calls: int, step_ms: float, rounds: int) -> dict[str, object]:
    """Calls a second, how long an answer takes, and CPU by part."""
    engine = (
        *("--slots", str(calls), "--step-ms", str(step_ms), "--step-per-sequence-ms", "0", "--context", "400000"),
        *("--prefill-tokens-per-second", "1000000"),
    )
    with Fleet(folder, slots=calls, engine=engine) as fleet, redis.Redis.from_url(fleet.settings.redis_url) as client:
        fleet.worker("agent", queues="agent", concurrency=AGENT_THREADS)
        fleet.worker("llm", queues="llm", concurrency=calls)
        _crowd(fleet, calls, 2)
        client.config_resetstat()
        before, begun = fleet.cpu_seconds(), time.monotonic()
        _crowd(fleet, calls, rounds)
        seconds, after, made = time.monotonic() - begun, fleet.cpu_seconds(), calls * rounds
        entries = client.info("commandstats")["cmdstat_xadd"]["calls"]
    return {
        "calls_per_second": round(made / seconds, 1),
        "turnaround_ms": round(1000 * seconds / rounds),
        "ideal_ms": round(TOKENS * step_ms),
        "stream_entries_per_call": round(entries / made, 1),
        "cpu_ms_per_call": {name: round(1000 * (after[name] - used) / made, 2) for name, used in before.items()},
    }


def _crowd(fleet: Fleet, agents: int, calls: int) -> None:
    for agent in [fleet.client.submit("calls", calls) for _ in range(agents)]:
        fleet.client.result(agent, timeout=600).unwrap()


if __name__ == "__main__":
    sys.exit(main())
