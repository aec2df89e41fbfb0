"""Processes that a tool has started: when its time is up they end too, or they would go on for nobody."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    import threading


def end_started_by(thread: threading.Thread) -> int:
    """Kill the processes that a thread of this process has started, with all theirs; gives how many.

    Linux tells which thread a process was started by, so that those of tools beside it are left alone. Elsewhere nothing
    is killed here; the worker's process leaves, as it does for a thread that does not end.
    """
    try:
        children = Path(f"/proc/self/task/{thread.native_id}/children").read_text().split()
    except OSError:
        return 0
    found: list[psutil.Process] = []
    for pid in children:
        with suppress(psutil.Error):
            child = psutil.Process(int(pid))
            found += [child, *child.children(recursive=True)]
    for process in found:
        with suppress(psutil.Error):
            process.kill()
    return len(found)
