"""This kernel under open arrivals: agents submitted as they come, and what its journal says of their calls."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import psycopg

from benchmarks.arriving.added import Added, Cycle, all_added, engine_times, quantile
from benchmarks.arriving.load import CALLS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.arriving.load import Load
    from benchmarks.fleet import Fleet

_CYCLES = """
    SELECT s.id::text, extract(epoch FROM s.created_at)::float, extract(epoch FROM s.started_at)::float,
           extract(epoch FROM s.finished_at)::float,
           extract(epoch FROM lead(s.created_at, 1, a.finished_at) OVER (PARTITION BY a.id ORDER BY s.created_at))::float
    FROM syscalls s JOIN requests r ON r.id = s.request_id JOIN agents a ON a.id = r.agent_id
    WHERE a.id = ANY(%s::uuid[]) ORDER BY s.created_at
"""
_OPEN = "SELECT count(*) FROM agents WHERE id = ANY(%s::uuid[]) AND finished_at IS NULL"
_WRONG = "SELECT count(*) FROM agents WHERE id = ANY(%s::uuid[]) AND state <> 'done'"
_PATIENCE_SECONDS = 120.0


class Segment(NamedTuple):
    """What came out of one stretch of arrivals.

    Attributes:
        calls: those asked for while as many were in flight as had to be, in the order of their asking.
        in_flight: in the engine, on average over that time.
        late_ms: how late the 99th of 100 agents was submitted, as this process was busy.
        cpu_ms_per_call: of all processes, by part.
        busy: the share of the machine's CPU that all these processes used.
    """

    calls: Sequence[Added]
    in_flight: float
    late_ms: float
    cpu_ms_per_call: dict[str, float]
    busy: float


def arrive(fleet: Fleet, load: Load, *, seed: int, log: Path, cores: int) -> Segment:
    """Submit agents as they come, wait for the last, and read what became of their calls."""
    cpu, begun_at, begun = fleet.cpu_seconds(), time.time(), time.monotonic()
    ids, late = [], []
    for instant in load.arrivals(seed):
        time.sleep(max(0.0, begun + instant - time.monotonic()))
        late.append(1000 * (time.monotonic() - begun - instant))
        ids.append(fleet.client.submit("calls", CALLS))
    _wait(fleet, ids)
    seconds = time.monotonic() - begun
    spent = {name: used - cpu[name] for name, used in fleet.cpu_seconds().items() if not name.startswith("bare")}
    first = begun_at + load.warm_up_seconds
    cycles = [cycle for cycle in _cycles(fleet, ids) if first <= cycle.asked <= begun_at + load.seconds]
    calls = all_added(cycles, engine_times(log))
    return Segment(
        calls=calls,
        in_flight=sum(call.engine_ms for call in calls) / 1000 / load.measured_seconds,
        late_ms=quantile(late, 0.99),
        cpu_ms_per_call={name: 1000 * used / len(ids) / CALLS for name, used in spent.items()},
        busy=sum(spent.values()) / seconds / cores,
    )


def _wait(fleet: Fleet, ids: Sequence[str]) -> None:
    """Wait for all of them, at a price that does not show.

    Raises:
        SystemExit: some are stuck, or failed.
    """
    end = time.monotonic() + _PATIENCE_SECONDS
    while left := _count(fleet, _OPEN, ids):
        if time.monotonic() > end:
            raise SystemExit(f"{left} of {len(ids)} agents have not ended")
        time.sleep(1)
    if wrong := _count(fleet, _WRONG, ids):
        raise SystemExit(f"{wrong} of {len(ids)} agents did not end well")


def _count(fleet: Fleet, statement: str, ids: Sequence[str]) -> int:
    with psycopg.connect(fleet.settings.database_url) as connection:
        row = connection.execute(statement, (list(ids),)).fetchone()
    assert row is not None
    return int(row[0])


def _cycles(fleet: Fleet, ids: Sequence[str]) -> list[Cycle]:
    with psycopg.connect(fleet.settings.database_url) as connection:
        return [Cycle(*row) for row in connection.execute(_CYCLES, (list(ids),)).fetchall()]
