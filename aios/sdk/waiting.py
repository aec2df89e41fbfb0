"""Waiting for an agent: the pace of the looks at it, and what becomes of one that the database does not answer."""

from __future__ import annotations

import math
import time
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol

from aios.errors import DatabaseUnavailable, InvalidArgument
from aios.log import logger

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logger(__name__)

_FIRST_SECONDS: Final = 0.02
_LONGEST_SECONDS: Final = 0.5
_GROWTH: Final = 1.5


class Reachable(Protocol):
    """A database, or a client of one."""

    @property
    def reached(self) -> bool:
        """Whether it has ever answered this process."""


class Waiting:
    """One wait: `with waiting.patient():` around every look, and `waiting.pause()` seconds between two.

    A database that has answered before will answer again, so its outage is waited out. One that never has is more likely
    a wrong URL, which nobody should wait for.
    """

    def __init__(self, timeout: float | timedelta | None, database: Reachable) -> None:
        """Begin.

        Raises:
            InvalidArgument: the timeout is no time.
        """
        seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
        if seconds is not None and math.isnan(seconds):
            raise InvalidArgument("timeout", timeout, "give seconds, or None to wait without end")
        self._end = math.inf if seconds is None else time.monotonic() + seconds
        self._database = database
        self._pause = _FIRST_SECONDS
        self._told = False

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() >= self._end

    @contextmanager
    def patient(self) -> Iterator[None]:
        """Let a look that the database did not answer end without an error, as long as another one may follow.

        Raises:
            DatabaseUnavailable: the time is up, or the database has never answered.
        """
        try:
            yield
        except DatabaseUnavailable as error:
            if self.over or not self._database.reached:
                raise
            if not self._told:
                log.warning("%s; waiting for it", error)
            self._told = True
        else:
            self._told = False

    def pause(self) -> float:
        """Seconds until the next look: longer from look to look, and never beyond the end."""
        pause = min(self._pause, max(0.0, self._end - time.monotonic()))
        self._pause = min(_LONGEST_SECONDS, self._pause * _GROWTH)
        return pause
