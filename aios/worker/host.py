"""This machine's processes: which one is this, and does that one still live. No clock is asked: clocks are set."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import psutil

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def name() -> str:
    """This machine, its present boot and this namespace of process ids: pids are compared only within one."""
    try:
        namespace = os.readlink("/proc/self/ns/pid")  # noqa: PTH115  # it is no path, it is a name
        boot = _BOOT_ID.read_text().strip()
    except OSError:
        return f"{socket.gethostname()}/{int(psutil.boot_time())}"
    return f"{socket.gethostname()}/{boot}/{namespace}"


def process(pid: int, born: float) -> str:
    """The name of a process of this machine that no other one ever has, here or elsewhere."""
    return f"{name()}/{pid}/{born:.2f}"


def birth(pid: int) -> float:
    """What tells a process from a later one with its pid: ticks since boot on Linux, elsewhere its start time.

    Raises:
        psutil.NoSuchProcess: there is none.
    """
    try:
        # The name in parentheses may hold spaces and parentheses itself.
        return float(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except OSError:
        return psutil.Process(pid).create_time()


def is_alive(pid: int, born: float) -> bool:
    """Whether this process of this host still runs (and is not another one with the same pid)."""
    try:
        return birth(pid) == born and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
