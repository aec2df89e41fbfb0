"""What is measured of each contender, and how."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

import psutil

from benchmarks.peers.contenders import until
from benchmarks.peers.speaker import Silent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.fleet import Fleet
    from benchmarks.peers.contenders import Contender, File

OPERATIONS = 7
WRITES = 4
ROUND = 3  # a call, a memory, a file

Cell = dict[str, float | int | str | None]


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes:
        idle: agents that run alone, one after the other.
        agents: at once, in each cell.
        workers: of each cell.
        recovery: agents under way when the worker is killed; 0: it is not.
        seconds: longest wait for a cell, and for a recovery.
        passes: over all contenders, every second one backwards.
    """

    idle: int = 20
    agents: tuple[int, ...] = (50, 250)
    workers: tuple[int, ...] = (1, 2)
    recovery: int = 20
    seconds: float = 120.0
    passes: int = 2

    @classmethod
    def of(cls, *, quick: bool) -> Plan:
        """Two minutes, or a quarter of an hour."""
        return cls(idle=5, agents=(50,), workers=(1,), recovery=0, passes=1) if quick else cls()


class Trial:
    """One contender on one fleet, from its first worker to its end."""

    _serial = count()

    def __init__(self, fleet: Fleet, contender: Contender, plan: Plan) -> None:
        self._fleet, self._contender, self._plan = fleet, contender, plan

    def cells(self) -> Iterator[Cell]:
        """All measurements of a pass, as they are made.

        Raises:
            Silent: it did not start, or stopped working.
        """
        try:
            for worker in range(1, max(self._plan.workers) + 1):
                self._contender.start(worker)
                self._batch(24)  # connections and statements are made on first use
                if worker == 1:
                    yield self._idle()
                if worker in self._plan.workers:
                    yield from (self._load(agents, worker) for agents in self._plan.agents)
            if self._plan.recovery:
                self._contender.stop()
                yield self._recovery()
        finally:
            self._contender.close()

    def _batch(self, agents: int) -> str:
        run = f"r{next(self._serial)}"
        self._contender.hand_in(run, agents)
        self._contender.wait(run, agents, seconds=self._plan.seconds)
        return run

    def _idle(self) -> Cell:
        took = [round_ms(self._contender.files(self._batch(1))) for _ in range(self._plan.idle)]
        return {"cell": "idle", "ms_per_operation": round(statistics.median(took), 2)}

    def _load(self, agents: int, workers: int) -> Cell:
        size, cpu, begun = self._contender.table_bytes(), self._cpu(), time.monotonic()
        run = self._batch(agents)
        seconds, spent = time.monotonic() - begun, self._cpu()
        operations = agents * OPERATIONS
        parts = {part: 1000 * (spent[part] - cpu[part]) / operations for part in spent}
        return {
            "cell": "load",
            "agents": agents,
            "workers": workers,
            "operations_per_second": round(operations / seconds, 1),
            "cpu_ms_per_operation": round(sum(parts.values()), 2),
            **{f"cpu_ms_{part}": round(ms, 2) for part, ms in parts.items()},
            "postgres_bytes_per_agent": round((self._contender.table_bytes() - size) / agents),
            "extra_writes": self._contender.writes(run) - WRITES * agents,
        }

    def _recovery(self) -> Cell:
        """SIGKILL a worker when a quarter of all writes is there, start it again at once, and see whether all get done."""
        agents, run = self._plan.recovery, f"r{next(self._serial)}"
        self._contender.start(1)
        self._contender.hand_in(run, agents)
        until(lambda: self._contender.writes(run) >= agents, seconds=self._plan.seconds, what="a quarter of the writes")
        self._contender.kill(1)
        begun = time.monotonic()
        self._contender.restart(1)
        back = time.monotonic() - begun
        try:
            self._contender.wait(run, agents, seconds=self._plan.seconds)
            seconds: float | None = round(time.monotonic() - begun, 1)
        except Silent:
            seconds = None
        return {
            "cell": "recovery",
            "agents": agents,
            "restart_seconds": round(back, 1),
            "all_done_seconds": seconds,
            "extra_writes": self._contender.writes(run) - WRITES * agents,
        }

    def _cpu(self) -> dict[str, float]:
        servers = self._fleet.cpu_seconds()
        workers = sum(_cpu_seconds(pid) for pid in self._contender.pids())
        return {"workers": workers, "postgres": servers["postgres"], "valkey": servers["valkey"]}


def round_ms(files: Sequence[File]) -> float:
    """Milliseconds of one operation of a single agent: from its first file to its second there is one of each kind."""
    first, second = files
    return 1000 * (second.at - first.at).total_seconds() / ROUND


def _cpu_seconds(pid: int) -> float:
    process = psutil.Process(pid)
    return sum(sum(one.cpu_times()[:4]) for one in [process, *process.children(recursive=True)])
