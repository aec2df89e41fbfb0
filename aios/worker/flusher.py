"""Waiting for the disk, once for all results that a process wrote lately: what follows them is under way meanwhile.

A result that a crash of Postgres takes back before that is written again, so its claim is kept until then (ADR 0007).
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from aios.db import settlement
from aios.db.session import born
from aios.errors import AiosError
from aios.log import logger

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

    from aios.db.session import Database

log = logger(__name__)

_GATHER_SECONDS = 0.05


class Unflushed(NamedTuple):
    """A result that is committed, but perhaps not on the disk.

    Attributes:
        since: when it was about to be written, by the monotonic clock.
        claim: is closed once nobody has to write it again.
        again: writes it again.
        after: what waits for the disk.
    """

    since: float
    claim: ExitStack
    again: Callable[[], None]
    after: Callable[[], None]


class Flusher:
    """Flushes for all threads of a process, a twentieth of a second after the first of them wrote something."""

    def __init__(self, database: Database) -> None:
        """Nothing is flushed by itself before `start`."""
        self._database = database
        self._lock = threading.Lock()
        self._waiting: list[Unflushed] = []
        self._some = threading.Event()
        self._stopped = False
        self._thread = threading.Thread(target=self._flush_on, name="aios-flusher", daemon=True)

    def start(self) -> None:
        """Flush from now on."""
        self._thread.start()

    def later(self, result: Unflushed) -> None:
        """See that a result gets to the disk."""
        with self._lock:
            self._waiting.append(result)
        self._some.set()

    def flush(self, *, last: bool = False) -> None:
        """Wait for the disk now, for all that was written before.

        Args:
            last: what Postgres lost is left to recovery: this process ends.
        """
        with self._lock:
            waiting, self._waiting = self._waiting, []
            self._some.clear()
        if not waiting:
            return
        proved = self._flushed()
        for result in waiting:
            safe = proved is not None and proved < result.since
            if last and not safe:
                continue
            with result.claim:
                try:
                    if not safe:
                        result.again()
                    result.after()
                except Exception:
                    log.exception("a result that was to be flushed: what follows it raised")

    def stop(self) -> None:
        """Flush what is left, and nothing more."""
        self._stopped = True
        self._some.set()
        if self._thread.is_alive():
            self._thread.join()
        self.flush(last=True)  # of who never started

    def _flushed(self) -> float | None:
        """Flush: what was written after this instant is on the disk. A server that was started since has lost what is older."""
        try:
            with self._database.statement() as tx:
                settlement.flush(tx)
                return born(tx)
        except AiosError as error:
            log.warning("results wait for the disk: %s", error)
        except Exception:  # the results of all threads hang on this one, and nobody would start another
            log.exception("the flush raised; the results are written again")
        return None

    def _flush_on(self) -> None:
        while not self._stopped:
            self._some.wait()
            time.sleep(0 if self._stopped else _GATHER_SECONDS)
            self.flush(last=self._stopped)
