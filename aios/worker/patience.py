"""Waiting for Postgres: what must be written is written, however long it takes, and nothing gives up in between."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, TypeVar

from aios.errors import DatabaseUnavailable
from aios.log import logger

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

log = logger(__name__)

_LONGEST_SECONDS = 2.0


def patiently(work: Callable[[], T], *, what: str) -> T:
    """Do `work`, again and again while the database does not answer; other errors pass through."""
    pause = 0.1
    while True:
        try:
            return work()
        except DatabaseUnavailable as error:
            log.warning("%s waits: %s", what, error)
        time.sleep(pause * (1 + random.random()))  # noqa: S311  # jitter
        pause = min(_LONGEST_SECONDS, pause * 2)
