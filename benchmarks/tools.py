"""Limits of tools (E7): twenty tools of one to eight calls at once, many agents that want them all, workers killed at random.

Every call of a tool is written down by the tool itself, with its process and the machine's monotonic clock, so that what ran
at once is a fact of the tools and not of the kernel that is measured. Ideal is what the limits alone would allow.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, NamedTuple

import redis
from rich.console import Console
from rich.table import Table

from benchmarks.fleet import Fleet
from benchmarks.mending import RATES, success

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

LIMITS = {f"stub{n:02}": 1 + n % 8 for n in range(20)}  # as in stubs/tools.py
WORKERS, THREADS = 3, 48  # more places than permits, also while one worker starts again: what limits is the tools
CALLS = 5
_WAIT_SECONDS = 300.0


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes:
        agents: each calls `CALLS` tools side by side.
        seconds: that a call takes on average.
        kills: processes that are killed in the second part.
    """

    agents: int
    seconds: float
    kills: int

    @classmethod
    def of(cls, *, quick: bool) -> Plan:
        """Half a minute, or a few."""
        return cls(100, 1.5, 3) if quick else cls(250, 4.0, 15)


class Interval(NamedTuple):
    """One call of a tool, from its own notes; `ended` is None for one that was killed."""

    tool: str
    number: int
    pid: int
    begun: float
    ended: float | None


class TollFleet(Fleet):
    """A system whose workers have the stub tools."""

    notes: Path
    seconds: float

    @property
    def environment(self) -> Mapping[str, str]:
        """What every process of this system gets."""
        return {
            **super().environment,
            "AIOS_TOOLS__PATH": str(Path(__file__).with_name("stubs")),
            "AIOS_BENCH_FOLDER": str(self.notes),
            "AIOS_BENCH_SECONDS": str(self.seconds),
            "AIOS_EMBEDDER": "hashing",
            "AIOS_RETRY__CRASHES": "1000",  # the kills are the experiment's, no fault of a call
        }

    def hire(self, name: str) -> None:
        """Start a worker of the pool `tool`."""
        self.worker(name, queues="tool", concurrency=THREADS)

    def strike(self, name: str) -> int:
        """SIGKILL a worker; gives its pid."""
        pid = self.pid(name)
        os.kill(pid, signal.SIGKILL)
        self.stop(name)
        return pid


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; 0 when every rule held."""
    parser = argparse.ArgumentParser(prog="aios bench tools", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="half a minute instead of a few")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--seed", type=int, default=7, help="of who calls what, and who is killed when")
    options = parser.parse_args(arguments)
    console = Console(stderr=True, quiet=options.json)
    with tempfile.TemporaryDirectory(prefix="aios-bench-") as folder:
        found = measure(Path(folder), Plan.of(quick=options.quick), console, seed=options.seed)
    worth = mended(options.seed, trials=200 if options.quick else 1_000)
    if options.json:
        print(json.dumps({**found, "right_results": worth}, indent=2))
    else:
        show(found, worth)
    return 0 if all(part["exceeded"] == part["lost"] == part["leaked"] == 0 for part in found.values()) else 1


def measure(folder: Path, plan: Plan, console: Console, *, seed: int) -> dict[str, dict[str, float]]:
    """Both parts of the experiment, on one system."""
    with TollFleet(folder, slots=1, engine=("--zero-latency",)) as fleet:
        fleet.seconds, fleet.notes = plan.seconds, folder / "notes"
        fleet.notes.mkdir()
        fleet.worker("agent", queues="agent", concurrency=4)
        for n in range(WORKERS):
            fleet.hire(f"tool{n}")
        _run(fleet, _tasks(8, Random(seed)))  # connections plan their statements on the first uses
        with console.status(f"{plan.agents} agents, no faults"):
            calm = _part(fleet, plan, Random(seed), kills=0)
        with console.status(f"{plan.agents} agents, {plan.kills} workers killed"):
            struck = _part(fleet, plan, Random(seed + 1), kills=plan.kills)
    return {"calm": calm, "struck": struck}


def mended(seed: int, *, trials: int) -> dict[str, dict[str, float]]:
    """The share of right results by the rate of wrong calls, without and with the repair round."""
    return {
        f"{rate:.0%} wrong": {
            name: success(Random(seed), rate=rate, repairs=repairs, trials=trials)
            for name, repairs in {"as called": 0, "one repair": 1}.items()
        }
        for rate in RATES
    }


def _part(fleet: TollFleet, plan: Plan, random: Random, *, kills: int) -> dict[str, float]:
    for log in fleet.notes.iterdir():
        log.unlink()
    tasks = _tasks(plan.agents, random)
    begun = time.monotonic()
    agents = [fleet.client.submit("busy", task) for task in tasks]
    killed = _strike(fleet, random, kills)
    lost = sum(
        fleet.client.result(agent, timeout=_WAIT_SECONDS).value != [number for _, number in task]
        for agent, task in zip(agents, tasks, strict=True)
    )
    took = time.monotonic() - begun
    intervals = read(fleet.notes, killed)
    wanted = Counter(tool for task in tasks for tool, _ in task)
    return {
        "agents": plan.agents,
        "calls": sum(wanted.values()),
        "kills": kills,
        "calls_again": len(intervals) - sum(wanted.values()),
        "exceeded": sum(most_at_once(intervals, tool) > limit for tool, limit in LIMITS.items()),
        "lost": lost,
        "leaked": _leaked(fleet),
        "seconds": round(took, 2),
        "ideal_seconds": round(max(_needed(intervals, tool) / limit for tool, limit in LIMITS.items()), 2),
        "throughput_of_ideal": round(used(intervals), 4),
    }


def _tasks(agents: int, random: Random) -> list[list[tuple[str, int]]]:
    """The calls of each agent, of tools in proportion to their limits: so that all of them are full until the end."""
    places = [tool for tool, limit in LIMITS.items() for _ in range(limit)]
    calls = [places[n % len(places)] for n in range(agents * CALLS)]
    random.shuffle(calls)
    numbered = [(tool, number) for number, tool in enumerate(calls)]
    return [numbered[start : start + CALLS] for start in range(0, len(numbered), CALLS)]


def _run(fleet: TollFleet, tasks: Iterable[list[tuple[str, int]]]) -> None:
    for agent in [fleet.client.submit("busy", task) for task in tasks]:
        fleet.client.result(agent, timeout=_WAIT_SECONDS).unwrap()


def _strike(fleet: TollFleet, random: Random, kills: int) -> dict[int, float]:
    """Kill tool workers at random, one after the other, and start new ones; gives when each process died."""
    killed: dict[int, float] = {}
    for n in range(kills):
        time.sleep(random.uniform(0.5, 2.0))
        name = f"tool{random.randrange(WORKERS)}"
        killed[fleet.strike(name)] = time.monotonic()
        fleet.hire(name)
        del n
    return killed


def read(folder: Path, killed: Mapping[int, float]) -> list[Interval]:
    """What the tools wrote down; a call that was cut off ended when its process did."""
    intervals: list[Interval] = []
    for log in folder.iterdir():
        pid, under_way = int(log.stem), {}
        for line in log.read_text().splitlines():
            tool, what, number, at = line.split()
            if what == "begin":
                under_way[tool, int(number)] = float(at)
            else:
                intervals.append(Interval(tool, int(number), pid, under_way.pop((tool, int(number))), float(at)))
        intervals += [Interval(tool, n, pid, at, killed.get(pid)) for (tool, n), at in under_way.items()]
    return intervals


def most_at_once(intervals: Iterable[Interval], tool: str) -> int:
    """The largest number of calls of a tool that ran at the same moment."""
    most = now = 0
    events = [(i.begun, 1) for i in intervals if i.tool == tool]
    events += [(i.ended, -1) for i in intervals if i.tool == tool and i.ended is not None]
    for _, change in sorted(events):  # at one instant ends come first
        now += change
        most = max(most, now)
    return most


def used(intervals: Sequence[Interval]) -> float:
    """How much of what the limits allowed was used, from a tool's first begin to the end of its last call."""
    busy = there = 0.0
    for tool, limit in LIMITS.items():
        own = [call for call in intervals if call.tool == tool]
        busy += sum((call.ended or call.begun) - call.begun for call in own)
        there += _allowed(own, limit)
    return busy / there


def _allowed(calls: Sequence[Interval], limit: int) -> float:
    """Seconds of calls that could have run: as many at once as the limit, or as have not come to their end yet."""
    ends: dict[int, float] = {}
    for call in calls:  # one that was cut off runs again: it has ended when its last run did
        ends[call.number] = max(ends.get(call.number, 0.0), call.ended or call.begun)
    before, allowed = min(call.begun for call in calls), 0.0
    for done, end in enumerate(sorted(ends.values())):
        allowed += min(limit, len(ends) - done) * (end - before)
        before = end
    return allowed


def _needed(intervals: Sequence[Interval], tool: str) -> float:
    """Seconds of a tool's calls, without what was lost of them by kills."""
    last = {call.number: call for call in sorted(intervals, key=lambda call: call.begun) if call.tool == tool}
    return sum((call.ended or call.begun) - call.begun for call in last.values())


def _leaked(fleet: TollFleet) -> int:
    """Permits and grants that are still held when nothing runs, once the leases of the dead have ended."""
    with redis.Redis.from_url(fleet.settings.redis_url) as client:
        until = time.monotonic() + 2 * fleet.settings.worker.lease_seconds
        while True:
            keys = [*client.scan_iter("aios:permits:*"), *client.scan_iter("aios:grants:tool*")]
            now_ms = time.time() * 1000
            held = sum(int(str(client.zcount(key, now_ms, "+inf"))) for key in keys)
            if not held or time.monotonic() > until:
                return held
            time.sleep(0.25)


def show(found: Mapping[str, Mapping[str, float]], worth: Mapping[str, Mapping[str, float]]) -> None:
    """Print both parts beside each other, and what the repair round is worth."""
    table = Table("", *found)
    for name in next(iter(found.values())):
        table.add_row(name.replace("_", " "), *(f"{part[name]:g}" for part in found.values()))
    Console().print(table)
    table = Table("right results", *next(iter(worth.values())))
    for rate, shares in worth.items():
        table.add_row(rate, *(f"{share:.1%}" for share in shares.values()))
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
