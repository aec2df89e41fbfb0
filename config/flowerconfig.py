"""Flower's settings, read by `celery -A tasks flower --conf=config/flowerconfig.py`. `FLOWER_*` in the environment wins.

Flower shows what workers do now; the truth about agents is in Postgres (`aios ps`, `aios show`). Its `/metrics` and
`/healthcheck` answer anybody, whatever the password, so it listens on loopback unless told otherwise.
"""

import os
from ipaddress import ip_address
from typing import Protocol


class Task(Protocol):
    """What we use of Flower's tasks."""

    args: object


def _asked(name: str, default: str) -> str:
    return os.environ.get(f"FLOWER_{name.upper()}") or default  # noqa: TID251  # it is Flower's own environment


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def format_task(task: Task) -> Task:
    """Show a task's only argument, an id, as just that."""
    if isinstance(task.args, str):
        task.args = task.args.strip("()[],'\" ")
    return task


address = _asked("address", "127.0.0.1")
tasks_columns = _asked("tasks_columns", "name,args,state,received,started,runtime,worker")
max_tasks = _asked("max_tasks", "20000")
purge_offline_workers = _asked("purge_offline_workers", "60")
natural_time = _asked("natural_time", "true")
# Revoking and shutting down from a browser would go round the kernel: `aios kill`, `aios pause` and signals do it durably.
read_only = _asked("read_only", "true")

if not _is_loopback(address) and not (_asked("basic_auth", "") or _asked("auth", "")):
    raise SystemExit(f"Flower would show everything to anybody on {address}; set FLOWER_BASIC_AUTH=user:password")
