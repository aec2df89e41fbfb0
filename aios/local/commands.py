"""The command line of every process that `aios up` starts besides the servers."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

from aios.settings import app_dir

if TYPE_CHECKING:
    from pathlib import Path


class Defaults(NamedTuple):
    """How a pool's worker executes syscalls when nothing else is said: threads, or processes for foreign code."""

    execution: str
    concurrency: int


POOLS: dict[str, Defaults] = {
    "system": Defaults("threads", 1),
    "storage": Defaults("threads", 4),
    "memory": Defaults("threads", 4),
    "tool": Defaults("prefork", 2),
    "llm": Defaults("threads", 8),
    "agent": Defaults("threads", 4),
}
FUSED = ("agent", "llm", "memory", "storage")
"""What one worker serves in the profile `fused`, so that it goes on by itself with what an agent asks for."""


def crew(profile: str) -> list[tuple[str, ...]]:
    """The pools of each worker that `aios up` starts: one worker a pool, or one for all that `fused` goes on with."""
    if profile == "pools":
        return [(pool,) for pool in POOLS]
    return [*((pool,) for pool in POOLS if pool not in FUSED), FUSED]


def celery(*arguments: str) -> tuple[str, ...]:
    """A Celery command on the application in `tasks/`."""
    return (sys.executable, "-m", "celery", "--workdir", str(app_dir()), "-A", "tasks", *arguments)


def worker(
    *pools: str, node: str = "", concurrency: int | None = None, execution: str | None = None, loglevel: str = "WARNING"
) -> tuple[str, ...]:
    """A worker of one or several pools.

    Args:
        *pools: whose queues it serves, one at least.
        node: names it among the workers of this host; default: as its pools.
        concurrency: syscalls at once; default: the sum of its pools' defaults, so that none waits for another's.
        execution: Celery's pool implementation, `threads`, `prefork` or `solo`; default: `prefork` for `tool` alone.
        loglevel: of Celery's own log.
    """
    queues = ",".join(pools)
    name = (
        "--hostname",
        f"{node or queues.replace(',', '-')}@%h",
        "--queues",
        queues,
        "--loglevel",
        loglevel,
        "--events",
    )
    kind = execution or (POOLS[pools[0]].execution if len(pools) == 1 else "threads")
    size = str(concurrency or sum(POOLS[pool].concurrency for pool in pools))
    return celery("worker", *name, "--without-gossip", "--without-mingle", "--pool", kind, "--concurrency", size)


def beat(data_dir: Path) -> tuple[str, ...]:
    """The beat, whose only task is to ring the cron tick."""
    files = ("--schedule", str(data_dir / "beat-schedule"), "--pidfile", str(data_dir / "beat.pid"))
    return celery("beat", *files, "--loglevel", "WARNING")


def flower() -> tuple[str, ...]:
    """Flower; its address and password come from the environment."""
    return celery("flower", f"--conf={app_dir() / 'config' / 'flowerconfig.py'}")


def engine(data_dir: Path, *, backend: str, port: int, slots: int, model: str = "") -> tuple[str, ...]:
    """The local engine; without a model's file it loads the small one of the local extra."""
    where = ("--host", "127.0.0.1", "--port", str(port), "--data-dir", str(data_dir / "engine"))
    which = ("--model-path", model) if model else ()
    return (sys.executable, "-m", "aios.local.engine", "--backend", backend, "--slots", str(slots), *where, *which)


def migrate() -> tuple[str, ...]:
    """Brings the database to this version's migrations."""
    return (sys.executable, "-m", "aios", "db", "upgrade")
