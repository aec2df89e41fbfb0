"""Ends what an earlier supervisor of a data directory left running, and nothing else."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING

import psutil

from aios.local.process import birth

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from aios.local.state import Recorded

MARK = "_AIOS_SUPERVISED"
"""Set to the data directory in every supervised process, and so in what that process starts."""
_INTERRUPTED = {"postgres": signal.SIGINT}  # its SIGTERM waits for all clients to leave


def stop(recorded: Iterable[Recorded], *, data_dir: Path, grace_seconds: float = 10.0) -> list[str]:
    """Stop the recorded processes that still live, last started first, and marked ones that were never recorded.

    Returns:
        The names of those that were found alive.
    """
    found = []
    for entry in reversed(list(recorded)):
        if birth(entry.pid) == entry.started:
            found.append(entry.name)
            number = _INTERRUPTED.get(entry.name, signal.SIGTERM)
            end(entry.pid, entry.started, number=number, seconds=grace_seconds)
    for process in _marked(data_dir):
        with contextlib.suppress(psutil.Error):
            found.append(process.name())
            process.kill()
    return found


def end(pid: int, started: str, *, seconds: float, number: signal.Signals = signal.SIGTERM) -> None:
    """Ask one process to stop, and SIGKILL it when it still lives after the given time."""
    for signal_number in (number, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal_number)
        deadline = time.monotonic() + seconds
        while birth(pid) == started:
            if time.monotonic() > deadline:
                break
            time.sleep(0.02)
        else:
            return


def _marked(data_dir: Path) -> list[psutil.Process]:
    return [process for process in psutil.process_iter() if _mark_of(process) == str(data_dir)]


def _mark_of(process: psutil.Process) -> str | None:
    # Most processes of a machine belong to somebody else: reading their environment is refused, and they are not ours.
    with contextlib.suppress(psutil.Error, OSError):
        if process.pid != os.getpid():
            return process.environ().get(MARK)
    return None
