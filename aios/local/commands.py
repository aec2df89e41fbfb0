"""The command line of every process that `aios up` starts besides the servers."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from aios.settings import app_dir

if TYPE_CHECKING:
    from pathlib import Path

POOLS: dict[str, tuple[str, ...]] = {
    "system": ("--pool", "threads", "--concurrency", "1"),
    "storage": ("--pool", "threads", "--concurrency", "4"),
    "memory": ("--pool", "threads", "--concurrency", "4"),
    "tool": ("--pool", "prefork", "--concurrency", "2"),
    "llm": ("--pool", "threads", "--concurrency", "8"),
    "agent": ("--pool", "threads", "--concurrency", "4"),
}


def celery(*arguments: str) -> tuple[str, ...]:
    """A Celery command on the application in `tasks/`."""
    return (sys.executable, "-m", "celery", "--workdir", str(app_dir()), "-A", "tasks", *arguments)


def worker(pool: str) -> tuple[str, ...]:
    """A worker of one pool."""
    node = ("--hostname", f"{pool}@%h", "--queues", pool, "--loglevel", "WARNING", "--events")
    return celery("worker", *node, "--without-gossip", "--without-mingle", *POOLS[pool])


def beat(data_dir: Path) -> tuple[str, ...]:
    """The beat, whose only task is to ring the cron tick."""
    files = ("--schedule", str(data_dir / "beat-schedule"), "--pidfile", str(data_dir / "beat.pid"))
    return celery("beat", *files, "--loglevel", "WARNING")


def flower() -> tuple[str, ...]:
    """Flower; its address and password come from the environment."""
    return celery("flower")


def engine(data_dir: Path, *, backend: str, port: int, slots: int) -> tuple[str, ...]:
    """The local engine."""
    where = ("--host", "127.0.0.1", "--port", str(port), "--data-dir", str(data_dir / "engine"))
    return (sys.executable, "-m", "aios.local.engine", "--backend", backend, "--slots", str(slots), *where)


def migrate() -> tuple[str, ...]:
    """Brings the database to this version's migrations."""
    return (sys.executable, "-m", "aios", "db", "upgrade")


def on_worker_death(pid: int) -> None:
    """Release the work of a dead worker process at once."""
    del pid  # leases do it until the kernel offers a quicker way
