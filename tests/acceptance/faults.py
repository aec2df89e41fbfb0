"""What can happen to a system: each fault strikes for real, puts back what it took, and says what its victim held."""

from __future__ import annotations

import dataclasses
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psutil
import psycopg
import redis

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from tests.acceptance.system import System

    Fault = Callable[[System, Random], "Hit"]

_SENT_SECONDS = 0.05
"""For what a process had sent when it was stopped to be committed."""

CLOCK_AHEAD = Path(__file__).parent / "crash" / "clock_ahead"


class Hit(NamedTuple):
    """What a fault did.

    Attributes:
        victims: the processes that it hit.
        leases: running LLM syscalls that they held: so many calls may be made twice.
        back: when everything was there again, in seconds since the epoch.
        kills: how many processes it killed.
    """

    victims: tuple[str, ...]
    leases: int
    back: float
    kills: int = 1


def worker_killed(system: System, random: Random) -> Hit:
    """SIGKILL of a worker."""
    return _kill(system, [random.choice(system.workers())])


def all_workers_killed(system: System, random: Random) -> Hit:
    """SIGKILL of every worker at once."""
    return _kill(system, system.workers())


def child_killed(system: System, random: Random) -> Hit:
    """SIGKILL of a pool child."""
    with suppress(IndexError):
        os.kill(random.choice(system.children("tool-1")), signal.SIGKILL)
    return Hit(("tool-1's child",), 0, time.time())


def engine_killed(system: System, random: Random) -> Hit:
    """SIGKILL of the engine, and a while without one."""
    system.down.add("engine")
    os.kill(system.pid("engine"), signal.SIGSTOP)
    time.sleep(_SENT_SECONDS)
    leases = _llm_running(system)
    system.units["engine"].kill()
    system.pause(random.uniform(0, system.longest_outage))
    system.down.discard("engine")
    system.units["engine"].start()
    system.wait(lambda: not system.waiting(), seconds=60, what="the engine")
    return Hit(("engine",), leases, time.time())


def broker_emptied(system: System, random: Random) -> Hit:
    """FLUSHALL."""
    system.services.valkey.flush()
    return Hit(("valkey's data",), 0, time.time())


def broker_killed(system: System, random: Random) -> Hit:
    """SIGKILL of Valkey, which comes back with its data."""
    return _broker(system, random, wiped=False)


def broker_lost(system: System, random: Random) -> Hit:
    """SIGKILL of Valkey, which comes back empty."""
    return _broker(system, random, wiped=True)


def database_killed(system: System, random: Random) -> Hit:
    """SIGKILL of Postgres."""
    return _database(system, seconds=random.uniform(0, system.longest_outage))


def database_away(system: System, random: Random) -> Hit:
    """Postgres gone for 30 s."""
    return _database(system, seconds=30)


def worker_frozen(system: System, random: Random) -> Hit:
    """SIGSTOP of a worker past its lease, then SIGCONT."""
    return _frozen(system, random.choice(system.workers()), seconds=random.uniform(2, 4))


def tool_frozen(system: System, random: Random) -> Hit:
    """The same in the middle of a tool: its result comes after somebody else's, and must be refused."""
    for _ in range(60):  # ten seconds: by then every errand's tool has run
        _signal(system, "tool-1", signal.SIGSTOP)
        if _holds(system, "tool-1"):
            break
        _signal(system, "tool-1", signal.SIGCONT)
        system.pause(0.07)
    return _frozen(system, "tool-1", seconds=random.uniform(2, 4))


def clock_ahead(system: System, random: Random) -> Hit:
    """A worker's clock is 120 s ahead, from a restart of it to the next one."""
    name = random.choice(system.workers())
    unit = system.units[name]
    right = unit.process
    path = os.pathsep.join(filter(None, (str(CLOCK_AHEAD), os.environ.get("PYTHONPATH", ""))))
    unit.process = dataclasses.replace(right, env={**right.env, "PYTHONPATH": path})
    try:
        return _kill(system, [name])
    finally:
        unit.process = right


def broker_full(system: System, random: Random) -> Hit:
    """Valkey refuses writes for want of memory."""
    client = redis.Redis.from_url(system.services.redis_url)
    before = client.config_get("maxmemory")["maxmemory"]
    client.config_set("maxmemory", 1)
    system.pause(random.uniform(3, 6))
    client.config_set("maxmemory", str(before))
    client.close()
    return Hit(("valkey's memory",), 0, time.time(), kills=0)


def database_read_only(system: System, random: Random) -> Hit:
    """Postgres refuses writes."""
    _read_only(system, on=True)
    system.pause(random.uniform(3, 6))
    _read_only(system, on=False)
    return Hit(("postgres' writes",), 0, time.time(), kills=0)


EVERY: Sequence[Fault] = (
    worker_killed,
    child_killed,
    all_workers_killed,
    engine_killed,
    broker_emptied,
    broker_killed,
    broker_lost,
    database_killed,
    worker_frozen,
    tool_frozen,
    clock_ahead,
    broker_full,
    database_read_only,
)
LONG: Sequence[Fault] = (database_away,)


def _kill(system: System, names: Sequence[str]) -> Hit:
    """Stop, read what they hold, kill: nothing is claimed between the reading and the kill."""
    pids = [pid for name in names for pid in _processes(system, name)]
    leases = _freeze(system, pids)
    struck = time.time()
    for name in names:
        os.kill(system.pid(name), signal.SIGKILL)
    system.pause(0.2)
    system.wait(
        lambda: not system.waiting() and bool(_born(system, names, struck)), seconds=90, what=f"{names} to be back"
    )
    back = max(_born(system, names, struck))
    return Hit(tuple(names), leases, back, kills=len(names))


def _born(system: System, names: Sequence[str], since: float) -> list[float]:
    """When these workers and their pools' children registered, seconds since the epoch; none while a worker is missing."""
    pids = [pid for name in names for pid in _processes(system, name)]
    told = "SELECT pid, max(extract(epoch FROM started_at))::float FROM workers WHERE pid = ANY(%s) GROUP BY pid"
    born = {int(str(pid)): float(str(at)) for pid, at in system.query(told, pids)}
    anew = all(born.get(system.pid(name), 0.0) > since for name in names)  # a pid may have been another's
    return list(born.values()) if anew else []


def _freeze(system: System, pids: Sequence[int]) -> int:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(_SENT_SECONDS)
    return _llm_running(system, pids)


def _processes(system: System, name: str) -> list[int]:
    with suppress(psutil.NoSuchProcess):
        return [system.pid(name), *system.children(name)]
    return [system.pid(name)]


def _frozen(system: System, name: str, *, seconds: float) -> Hit:
    leases = _freeze(system, _processes(system, name))
    system.pause(system.settings.worker.lease_seconds + seconds)
    _signal(system, name, signal.SIGCONT)
    return Hit((name,), leases, time.time(), kills=0)


def _signal(system: System, name: str, number: signal.Signals) -> None:
    for pid in _processes(system, name):
        os.kill(pid, number)
    time.sleep(_SENT_SECONDS)


def _holds(system: System, name: str) -> bool:
    """Whether a worker executes something now."""
    held = "SELECT count(*) FROM syscalls s JOIN workers w USING (incarnation) WHERE s.state = 'running' AND w.pid = ANY(%s)"
    return system.query(held, _processes(system, name))[0][0] != 0


def _llm_running(system: System, pids: Sequence[int] | None = None) -> int:
    statement = """
        SELECT count(*) FROM syscalls s JOIN workers w ON w.incarnation = s.incarnation
        WHERE s.state = 'running' AND s.pool = 'llm' AND (%s::int[] IS NULL OR w.pid = ANY(%s::int[]))
    """
    given = None if pids is None else list(pids)
    return int(str(system.query(statement, given, given)[0][0]))


def _broker(system: System, random: Random, *, wiped: bool) -> Hit:
    system.services.valkey.kill()
    system.pause(random.uniform(0, system.longest_outage))
    if wiped:
        system.services.valkey.wipe()
    system.services.valkey.start()
    return Hit(("valkey",), 0, time.time())


def _database(system: System, *, seconds: float) -> Hit:
    system.services.postgres.kill()
    system.pause(seconds)
    system.services.postgres.start()
    return Hit(("postgres",), 0, time.time())


def _read_only(system: System, *, on: bool) -> None:
    with psycopg.connect(system.services.superuser_url, autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = off")
        connection.execute(f"ALTER SYSTEM SET default_transaction_read_only = {'on' if on else 'off'}")
        connection.execute("SELECT pg_reload_conf()")
