"""What can be measured: a system that takes the reference agent, many at once, with one worker or two."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple

import psycopg

from benchmarks.peers.speaker import Silent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

CONCURRENCY = 12
"""Threads of each worker, connections of each worker to Postgres, or what comes nearest to them."""

_POLL_SECONDS = 0.03
_TABLES = """
    SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
"""


class File(NamedTuple):
    """A file that an agent wrote, and when it was in the database."""

    agent: str
    at: datetime


class Contender(ABC):
    """One system under load.

    Attributes:
        database_url: where its tables are.
        versions: of the packages it stands on, by name.
    """

    database_url: str
    versions: dict[str, str]
    _connection: psycopg.Connection | None = None

    @abstractmethod
    def start(self, worker: int) -> None:
        """Start a worker and wait until it works."""

    @abstractmethod
    def kill(self, worker: int) -> None:
        """SIGKILL a worker."""

    @abstractmethod
    def restart(self, worker: int) -> None:
        """Start a killed worker again, and do what its caller then has to do."""

    @abstractmethod
    def stop(self) -> None:
        """End all its processes."""

    @abstractmethod
    def pids(self) -> Sequence[int]:
        """Its workers."""

    @abstractmethod
    def hand_in(self, run: str, agents: int) -> None:
        """Submit agents, under a name of their batch."""

    @abstractmethod
    def wait(self, run: str, agents: int, *, seconds: float) -> None:
        """Wait until all of a batch are done.

        Raises:
            Silent: they are not, by then.
        """

    @abstractmethod
    def files(self, run: str) -> list[File]:
        """The files of a batch, oldest first."""

    @abstractmethod
    def writes(self, run: str) -> int:
        """How many writes of memory and of files a batch has made."""

    def table_bytes(self) -> int:
        """Its tables with their indexes and long values."""
        return int(str(self.ask(_TABLES)[0][0]))

    def ask(self, query: str, values: Sequence[object] | dict[str, object] = ()) -> list[tuple[object, ...]]:
        """Rows of a query, over one connection: a new one for each look would be counted as the contender's CPU."""
        if self._connection is None:
            self._connection = psycopg.connect(self.database_url, autocommit=True)
        return self._connection.execute(query.encode(), values).fetchall()

    def close(self) -> None:
        """End all its processes, and ask no more."""
        self.stop()
        if self._connection is not None:
            self._connection.close()


def until(reached: Callable[[], bool], *, seconds: float, what: str) -> None:
    """Wait for something.

    Raises:
        Silent: it has not come by then.
    """
    end = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > end:
            raise Silent(f"{what}: not within {seconds:.0f} s")
        time.sleep(_POLL_SECONDS)
