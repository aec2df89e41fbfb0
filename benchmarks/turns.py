"""What scheduling one syscall costs: enter, grant, ring, confirm, settle, on a real Valkey, while others wait.

`python -m benchmarks.turns [--rounds N] [--json]` prints milliseconds at the client, per policy and number that wait.
The bar is 1 ms for all of it at the median.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from uuid import uuid4

from aios.kernel.policy import Payer
from aios.kernel.scheduling import POLICIES, policy
from aios.local.stack import Services
from aios.publisher import Publisher
from aios.ready import Bell, Done, ReadySets
from aios.ready.sets import rules

WAITING = (0, 1_000, 10_000)
SLOTS = 8
BATCH = 500


def bell() -> Bell:
    """One syscall of a root agent of its own."""
    id_ = str(uuid4())
    return Bell("llm", id_, (("llm", "chat", id_),), 5, Payer(str(uuid4()), "default", "bench"))


def measured(ready: ReadySets, *, name: str, waiting: int, rounds: int) -> dict[str, float | str | int]:
    """The time of each syscall's three turns, with so many waiting behind all slots."""
    ready.clear(rules(name, policy(name)))
    ready.limit({"llm": SLOTS}, whole=True)
    for start in range(0, waiting, BATCH):
        ready.put([bell() for _ in range(min(BATCH, waiting - start))])
    ready.open()
    running = [one.id for one in ready.turn(keys=["llm"]).bells]
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        running += [one.id for one in ready.turn(add=[bell()]).bells]
        current = running.pop(0)
        with ready.confirming(current) as confirmed:
            assert confirmed()
        running += [one.id for one in ready.turn(done=[Done("llm", current, 1.0, 100)]).bells]
        times.append(1000 * (time.perf_counter() - begun))
    times.sort()
    return {
        "policy": name,
        "waiting": waiting,
        "p50_ms": round(statistics.median(times), 3),
        "p99_ms": round(times[int(0.99 * len(times))], 3),
    }


def publishing_ms(redis_url: str, *, rounds: int) -> float:
    """The median of what a turn that also publishes its message costs more than one that does not."""
    publisher = Publisher(redis_url)
    medians = []
    for rings in (None, publisher.rings()):
        ready = ReadySets(redis_url, lease_seconds=4, rings=rings)
        ready.clear(rules("las", policy("las")))
        ready.limit({"llm": 10 * rounds}, whole=True)
        ready.open()
        times = []
        for _ in range(rounds):
            begun = time.perf_counter()
            ready.turn(add=[bell()])
            times.append(1000 * (time.perf_counter() - begun))
        medians.append(statistics.median(times))
        ready.close()
    publisher.close()
    return round(medians[1] - medians[0], 3)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Services(Path(folder), durable=False) as services:
        ready = ReadySets(services.redis_url, lease_seconds=4)
        rows = [measured(ready, name=name, waiting=n, rounds=given.rounds) for name in POLICIES for n in WAITING]
        ready.close()
        publishing = publishing_ms(services.redis_url, rounds=given.rounds)
    if given.json:
        json.dump({"turns": rows, "publishing_ms": publishing}, sys.stdout, indent=2)
        return
    print(f"{'policy':10}{'waiting':>9}{'p50 ms':>9}{'p99 ms':>9}")
    for row in rows:
        print(f"{row['policy']:10}{row['waiting']:9}{row['p50_ms']:9}{row['p99_ms']:9}")
    print(f"publishing in the same call: {publishing} ms more")


if __name__ == "__main__":
    main()
