"""Python's cycle collector in a process that lives long, with hundreds of calls in flight."""

from __future__ import annotations

import gc

_YOUNG = 20_000  # new objects until a look at them: 700, Python's own, is less than ten calls in flight hold


def settle() -> None:
    """Leave what was made so far (modules, tasks, programs) out of every collection to come, and collect less often.

    A full collection stops all threads while it visits each object: a worker with 250 calls in flight stood still for
    0.1 s four times a minute, which was its p99 (`aios bench arrivals`). Call it once a process is ready.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, *gc.get_threshold()[1:])
