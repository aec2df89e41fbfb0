"""What a Postgres that died without a word leaves behind, and how to get rid of it."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

import psutil

_STOP_SECONDS = 20.0
_PASSING = (
    "pre-existing shared memory block",
    "is still in use",
    "Address already in use",
    "already exists",
)


def clear(data: Path) -> None:
    """Stop a server that still runs on this data, and remove a lock file whose server is gone.

    Postgres itself takes a lock file for valid when any process of the same user has its pid by now.
    """
    lock = data / "postmaster.pid"
    pid = _locked_by(lock)
    if pid is None:
        return
    if _serves(pid, data):
        _stop(pid)
    lock.unlink(missing_ok=True)


def is_passing(output: str) -> bool:
    """Whether a failed start has a cause that goes away by itself: the last run's processes are still ending."""
    return any(cause in output for cause in _PASSING)


def _locked_by(lock: Path) -> int | None:
    try:
        return int(lock.read_text().split("\n", 1)[0])
    except FileNotFoundError:
        return None
    except ValueError:
        return 0  # torn by a full disk or a crash: nobody's


def _serves(pid: int, data: Path) -> bool:
    # A server's working directory is its data.
    with contextlib.suppress(psutil.Error, OSError):
        return pid > 0 and Path(psutil.Process(pid).cwd()).samefile(data)
    return False


def _stop(pid: int) -> None:
    with contextlib.suppress(psutil.Error, ProcessLookupError):
        server = psutil.Process(pid)
        for number in (signal.SIGINT, signal.SIGKILL):
            os.kill(pid, number)
            deadline = time.monotonic() + _STOP_SECONDS
            while time.monotonic() < deadline and server.is_running() and server.status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.05)
