"""A worker's threads keep to one CPU at a time (ADR 0018).

They share the interpreter's lock, so a second CPU runs little more of them; but each that gives the lock back then wakes
another one across both, and has to wait for it. Which CPU is looked at again every few seconds, as others come and go.
"""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aios.log import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

log = logger(__name__)

_LOOK_SECONDS: Final = 2.0
_MARGIN: Final = 0.25
"""A CPU that is busier than another by so much of the time is worth leaving."""
_STAT: Final = Path("/proc/stat")
_IDLE: Final = (3, 4)  # fields of a line there: idle, and waiting for a disk


def keep_to_one(*, look_seconds: float = _LOOK_SECONDS) -> None:
    """Keep the threads of this process on one of the CPUs that it may use, if this system can and there is a choice."""
    if sys.platform == "linux" and len(os.sched_getaffinity(0)) > 1:
        threading.Thread(target=_keep_on, args=(look_seconds,), name="aios-cpu", daemon=True).start()


def _keep_on(look_seconds: float) -> None:
    allowed, mine = os.sched_getaffinity(0), None
    try:
        before, own, since = _busy_seconds(allowed), time.process_time(), time.monotonic()
        while True:
            time.sleep(look_seconds)
            now, used, at = _busy_seconds(allowed), time.process_time(), time.monotonic()
            others = {cpu: (now[cpu] - before[cpu]) / (at - since) for cpu in now.keys() & before.keys()}
            if mine in others:
                others[mine] -= (used - own) / (at - since)
            mine = choose(mine, others, coin=lambda: random.random() < 0.5)  # noqa: PLR2004, S311  # it is a coin
            bind({mine})
            before, own, since = now, used, at
    except (OSError, ValueError) as error:  # a sandbox without /proc, or CPUs that were taken away
        log.info("the threads are not kept on one CPU: %s", error)
        with suppress(OSError):
            bind(allowed)


def choose(mine: int | None, others: Mapping[int, float], *, coin: Callable[[], bool]) -> int:
    """The CPU to be on: the present one, unless others leave much more room elsewhere.

    Args:
        mine: the present one, if there is one.
        others: the share of the time that each CPU was busy with what is not ours.
        coin: whether to go if it is worth it: of two that stand in each other's way only one should.
    """
    least = min(others.values())
    roomy = [cpu for cpu, load in others.items() if load <= least + _MARGIN]
    if mine is not None and (mine in roomy or (mine in others and not coin())):
        return mine
    return random.choice(roomy)  # noqa: S311  # any will do; all who start together should not take the same


def bind(cpus: Collection[int]) -> None:
    """Let all threads of this process run on these CPUs only; those that they start inherit it."""
    for thread in os.listdir("/proc/self/task"):  # noqa: PTH208  # numbers, not paths
        with suppress(ProcessLookupError):  # it has ended
            os.sched_setaffinity(int(thread), cpus)


def _busy_seconds(allowed: Collection[int]) -> dict[int, float]:
    """What each CPU has done since boot."""
    busy = {}
    for line in _STAT.read_text().splitlines():
        name, *ticks = line.split()
        if name.startswith("cpu") and name[3:].isdigit() and int(name[3:]) in allowed:
            spent = sum(int(tick) for place, tick in enumerate(ticks[:8]) if place not in _IDLE)
            busy[int(name[3:])] = spent / os.sysconf("SC_CLK_TCK")
    return busy
