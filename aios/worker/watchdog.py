"""A watchdog for program code: a drive that makes no request for too long is interrupted where it is."""

from __future__ import annotations

import ctypes
import sys
import threading
import time
import traceback
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aios.errors import Signal
from aios.kernel import replay
from aios.log import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

log = logger(__name__)

_PERIOD_SECONDS = 0.25
_INSIST_SECONDS = 2.0


class Interrupted(Signal):
    """Raised inside a program that ran too long without a request."""


@dataclass(eq=False)
class _Watch:
    thread: int
    deadline: float
    on_stuck: Callable[[str], None]
    lock: threading.Lock = field(default_factory=threading.Lock)
    told: bool = False
    over: bool = False


class Watchdog:
    """Watches the threads of one process that run program code."""

    def __init__(self, *, seconds: float, on_hopeless: Callable[[], None]) -> None:
        """Make one.

        Args:
            seconds: how long program code may run.
            on_hopeless: called when a thread cannot be interrupted; the process must end.
        """
        self._seconds = seconds
        self._on_hopeless = on_hopeless
        self._watches: set[_Watch] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @contextmanager
    def watch(self, on_stuck: Callable[[str], None]) -> Iterator[None]:
        """Run program code inside; `on_stuck` gets its stack when it takes too long."""
        watch = _Watch(threading.get_ident(), time.monotonic() + self._seconds, on_stuck)
        with self._lock:
            self._watches.add(watch)
            if self._thread is None:
                self._thread = threading.Thread(target=self._look_on, name="aios-watchdog", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with watch.lock:
                watch.over = True
                if watch.told:
                    _raise_in(watch.thread, None)  # an interrupt not yet delivered must not hit the kernel's own code
            with self._lock:
                self._watches.discard(watch)

    def _look_on(self) -> None:
        while True:
            time.sleep(_PERIOD_SECONDS)
            now = time.monotonic()
            with self._lock:
                late = [watch for watch in self._watches if now > watch.deadline]
            for watch in late:
                self._interrupt(watch, insist=now > watch.deadline + _INSIST_SECONDS)

    def _interrupt(self, watch: _Watch, *, insist: bool) -> None:
        if not watch.told:
            frame = sys._current_frames().get(watch.thread)  # noqa: SLF001  # documented for debuggers: there is no other way
            try:
                watch.on_stuck(_where(frame) if frame else "")
            except Exception:
                log.exception("a program is stuck, which cannot be recorded now; the next look tries again")
                return
            watch.told = True
        with watch.lock:
            if not watch.over:
                _raise_in(watch.thread, Interrupted)
        if insist and not watch.over:
            self._on_hopeless()


def _where(frame: FrameType) -> str:
    """The stack below the kernel: what drives a program is the same for all of them."""
    stack = traceback.extract_stack(frame)
    ours = max((place for place, call in enumerate(stack) if call.filename == replay.__file__), default=-1)
    return "".join(traceback.format_list(stack[ours + 1 :] or stack))


def _raise_in(thread: int, kind: type[BaseException] | None) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(kind) if kind else None)
