"""What a durable LLM syscall costs beside a bare Celery hop, on the same servers, in the same run.

The engine answers at once, so all that is measured is the kernel's own: `idle` is one request after the other of a single
agent, in turns with single hops; `bare` is Celery as it ships, `lean` one that keeps no copy of a delivered message, as this
kernel has it; throughput is many agents at once; CPU is that of all processes, Postgres, Valkey, engine
and client included. `pools` has a worker for agents and one for calls, `fused` one for both.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import redis
from celery import Celery
from rich.console import Console
from rich.table import Table

from aios.publisher import BROKER_OPTIONS
from benchmarks.fleet import Fleet

if TYPE_CHECKING:
    from collections.abc import Sequence

AGENT_THREADS, LLM_THREADS = 4, 8
IDLE_ROUND = 20
TALKS = 3
SHORT, LONG = 5, 100  # turns
POOLS = {"AIOS_WORKER__PROFILE": "pools"}
_COUNTED_SECONDS = 1.2  # Postgres publishes its counters once a second


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    idle: int
    agents: tuple[int, ...]
    calls: int
    hops: int

    @classmethod
    def of(cls, *, quick: bool) -> Plan:
        """A minute or two, or several."""
        return cls(120, (32,), 10, 1500) if quick else cls(400, (32, 250), 20, 10_000)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run it."""
    parser = argparse.ArgumentParser(prog="aios bench overhead", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute or two instead of several")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--profile", choices=["pools", "fused"], default="pools", help="how work changes hands")
    parser.add_argument(
        "--soak", type=int, default=0, metavar="SYSCALLS", help="also run this many and tell the memory"
    )
    options = parser.parse_args(arguments)
    console = Console(stderr=True, quiet=options.json)
    with tempfile.TemporaryDirectory(prefix="aios-bench-") as folder:
        plan = Plan.of(quick=options.quick)
        found = measure(Path(folder), plan, console, profile=options.profile, soak=options.soak)
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        show(found)


def measure(folder: Path, plan: Plan, console: Console, *, profile: str = "pools", soak: int = 0) -> dict[str, object]:
    """All figures of one run."""
    engine = ("--zero-latency", "--slots", "64", "--context", "400000")
    with Fleet(folder, slots=LLM_THREADS, engine=engine, profile=profile) as fleet:
        rivals = _Bare(fleet, "bare"), _Bare(fleet, "lean")
        with console.status("bare Celery"):
            found = {key: value for rival in rivals for key, value in _bare_load(fleet, rival, plan).items()}
        fleet.worker("llm", queues="llm", concurrency=LLM_THREADS)
        with console.status("talks of 100 turns"):
            found |= _talks(fleet)
        if profile == "fused":  # what goes on by itself needs no second process
            fleet.stop("llm")
            fleet.worker("worker", queues="agent,llm", concurrency=LLM_THREADS)
        else:
            fleet.worker("agent", queues="agent", concurrency=AGENT_THREADS)
        with console.status("idle"):
            found |= _idle(fleet, rivals, plan)
        for rival in rivals:
            rival.close(fleet)
        _run(fleet, 32, 5)  # connections plan their statements on the first uses
        for agents in plan.agents:
            with console.status(f"{agents} agents"):
                found |= _load(fleet, agents, plan.calls)
        if soak:
            with console.status(f"{soak} syscalls"):
                found |= _soak(fleet, soak)
    return found


class _Bare:
    """Tasks that do nothing but publish the next one, in pools of the same size: `bare` as Celery ships, or `lean`."""

    def __init__(self, fleet: Fleet, name: str) -> None:
        self.name = name
        self._redis = redis.Redis.from_url(fleet.settings.redis_url, socket_timeout=300)
        self._app = Celery("bench", broker=fleet.settings.redis_url, set_as_current=False)
        self._app.conf.update(broker_transport_options=BROKER_OPTIONS, task_ignore_result=True)
        self._runs = itertools.count()
        self._workers = {f"{name}-a": AGENT_THREADS, f"{name}-b": LLM_THREADS}
        for queue, threads in self._workers.items():
            fleet.worker(queue, queues=queue, concurrency=threads, app="benchmarks.bare", more={"AIOS_BARE": name})
        self.run(chains=4, hops=20)

    def run(self, *, chains: int, hops: int) -> float:
        """Seconds that chains of hops take, at the same time."""
        started, name = time.time(), f"{self.name}{next(self._runs)}"
        for _ in range(chains):
            self._app.send_task("bare.hop", (name, hops), queue=f"{self.name}-a", priority=5)
        for _ in range(chains):
            if self._redis.blpop([f"bare:{name}"], timeout=240) is None:
                raise SystemExit("bare Celery lost a message")
        return time.time() - started

    def close(self, fleet: Fleet) -> None:
        """Stop its workers."""
        self._app.close()
        fleet.stop(*self._workers)


def _bare_load(fleet: Fleet, bare: _Bare, plan: Plan) -> dict[str, object]:
    before, hops = fleet.cpu_seconds(), plan.hops // 32
    seconds = bare.run(chains=32, hops=hops)
    spent = _spent(before, fleet.cpu_seconds())
    return {
        f"{bare.name}_celery_hops_per_second": round(32 * hops / seconds, 1),
        f"{bare.name}_cpu_ms_per_hop": round(1000 * sum(spent.values()) / (32 * hops), 2),
    }


def _idle(fleet: Fleet, rivals: Sequence[_Bare], plan: Plan) -> dict[str, object]:
    """Single hops and single requests in turns: a machine that is slower from one second to the next is so for both."""
    _run(fleet, 1, 20)
    hops: dict[str, list[float]] = {rival.name: [] for rival in rivals}
    took: list[float] = []
    for _ in range(plan.idle // IDLE_ROUND):
        for rival in rivals:
            hops[rival.name].append(1000 * rival.run(chains=1, hops=IDLE_ROUND) / IDLE_ROUND)
        asked = [row["created_at"] for row in fleet.client.journal(_run(fleet, 1, IDLE_ROUND + 1)[0])]
        took += [(after - before).total_seconds() * 1000 for before, after in pairwise(asked)]
    return {
        **{f"{name}_hop_p50_ms": round(statistics.median(times), 2) for name, times in hops.items()},
        "idle_p50_ms": _quantile(took, 0.5),
        "idle_p99_ms": _quantile(took, 0.99),
    }


def _talks(fleet: Fleet) -> dict[str, object]:
    """How long an agent takes from an answer to its next request, at the beginning and at the end of a long journal.

    `replay`: in a worker that keeps no programs, and so replays the whole of it each time; medians of ten turns of each of
    some talks. `cold_resume`: in a process that has done nothing yet; medians of one turn of each.
    """
    fleet.worker("talk", queues="agent", concurrency=1, more={"AIOS_WORKER__LIVE_RUNS": "0", **POOLS})
    talks = [(turns, _interrupted(fleet, turns)) for turns in (SHORT, LONG) * TALKS]
    fleet.stop("talk")
    took = [_pauses(fleet, agent) for turns, agent in talks if turns == LONG]
    replays = {
        SHORT: [pause for one in took for pause in one[:10]],
        LONG: [pause for one in took for pause in one[-10:]],
    }
    cold: dict[int, list[float]] = {SHORT: [], LONG: []}
    for turns, agent in talks:
        fleet.worker("cold", queues="agent", concurrency=1, more=POOLS)
        fleet.client.answer(agent, "yes")
        fleet.client.result(agent, timeout=60)
        fleet.stop("cold")
        cold[turns].append(_pauses(fleet, agent)[-1])
    return {
        **{f"replay_ms_at_turn_{turns}": _quantile(times, 0.5) for turns, times in replays.items()},
        **{f"cold_resume_ms_at_turn_{turns}": _quantile(times, 0.5) for turns, times in cold.items()},
    }


def _interrupted(fleet: Fleet, turns: int) -> str:
    agent = fleet.client.submit("interrupted", turns)
    while not fleet.client.questions(agent):
        time.sleep(0.1)
    return agent


def _pauses(fleet: Fleet, agent: str) -> list[float]:
    """From each answer to the next request, in ms."""
    rows = fleet.client.journal(agent)
    return [
        (after["created_at"] - one["finished_at"]).total_seconds() * 1000
        for one, after in pairwise(rows)
        if one["finished_at"]
    ]


def _load(fleet: Fleet, agents: int, calls: int) -> dict[str, object]:
    time.sleep(_COUNTED_SECONDS)
    cpu, commits, messages, started = fleet.cpu_seconds(), fleet.commits(), fleet.messages(), time.monotonic()
    _run(fleet, agents, calls)
    seconds, syscalls = time.monotonic() - started, agents * calls
    spent = _spent(cpu, fleet.cpu_seconds())
    time.sleep(_COUNTED_SECONDS)
    figures = {
        "llm_syscalls_per_second": round(syscalls / seconds, 1),
        "cpu_ms_per_syscall": round(1000 * sum(spent.values()) / syscalls, 2),
        "cpu_ms_per_syscall_by_part": {name: round(1000 * used / syscalls, 2) for name, used in spent.items()},
        "commits_per_syscall": round((fleet.commits() - commits) / syscalls, 2),
        "messages_per_syscall": round((fleet.messages() - messages) / syscalls, 2),
    }
    return figures if agents == Plan.of(quick=True).agents[0] else {f"at_{agents}_agents": figures}


def _soak(fleet: Fleet, syscalls: int) -> dict[str, object]:
    _run(fleet, 50, 20)
    before = fleet.memory_bytes()
    for _ in range(max(1, syscalls // 5000)):
        _run(fleet, 100, 50)
    after = fleet.memory_bytes()
    return {
        "memory_mb_before_after": {name: [round(before[name] / 1e6, 1), round(after[name] / 1e6, 1)] for name in before}
    }


def _run(fleet: Fleet, agents: int, calls: int, *, program: str = "calls") -> list[str]:
    ids = [fleet.client.submit(program, calls) for _ in range(agents)]
    for agent in ids:
        result = fleet.client.result(agent, timeout=600)
        if result.value != calls:
            raise SystemExit(f"agent {agent} did not end well: {result}")
    return ids


def _spent(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    return {name: used - before[name] for name, used in after.items() if name in before}


def _quantile(values: list[float], share: float) -> float:
    return round(sorted(values)[min(len(values) - 1, int(share * len(values)))], 2)


def show(found: dict[str, object]) -> None:
    """The figures as a table."""
    table = Table("what", "figure", title="Overhead of a durable LLM syscall")
    for name, value in found.items():
        table.add_row(name.replace("_", " "), json.dumps(value) if isinstance(value, dict) else str(value))
    for rival in ("bare", "lean"):
        hop, request = found[f"{rival}_hop_p50_ms"], found["idle_p50_ms"]
        assert isinstance(hop, float)
        assert isinstance(request, float)
        table.add_row(f"idle request / {rival} hop", f"{request / hop:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main(sys.argv[1:])
