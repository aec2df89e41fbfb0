"""The one place that opens connections and commits: `with database.transaction() as tx`."""

from __future__ import annotations

import select
import threading
import time
from collections import deque
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    DisconnectionError,
    InterfaceError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from aios.db import version
from aios.errors import DatabaseUnavailable, Misconfigured, SchemaMismatch
from aios.kernel.values import compact, parsed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.pool import ConnectionPoolEntry

Transaction = Connection
"""A connection inside a transaction; who gets one never commits it."""

_RETRIABLE_SQLSTATES = frozenset({"40001", "40P01", "53100", "53200", "53300", "57P01", "57P02", "57P03", "25006"})

_IDLE_MS = 8000
"""A process that is stopped in the middle of a transaction holds row locks, perhaps recovery's own, for so long at most."""

_WAIT_SECONDS = 10
"""How long a thread waits for one of the process' connections."""

_FORM = "postgresql://user:password@host:port/database"
_MISSING_SQLSTATES = frozenset({"42P01", "42703"})
_LOST = (psycopg.OperationalError, psycopg.InterfaceError)  # from statements of the hot path, past SQLAlchemy


class Database:
    """A pool of connections, opened once per process and under a lock (psycopg pools opened by racing threads break)."""

    def __init__(self, url: str, *, pool_size: int = 4) -> None:
        if not url:
            raise Misconfigured("no database is configured", "run `aios up`, or set AIOS_DATABASE_URL")
        self._url = _parsed(url)
        self._pool_size = pool_size
        self._lock = threading.Lock()
        self._engine: Engine | None = None
        self._reached = False
        self._life = _Life()
        self._room: SimpleQueue[int] = SimpleQueue()  # a tenth of a semaphore's time
        for place in range(pool_size):
            self._room.put(place)

    @property
    def engine(self) -> Engine:
        """SQLAlchemy's engine, made on first use."""
        with self._lock:
            if self._engine is None:
                self._engine = create_engine(
                    self._url,
                    isolation_level="AUTOCOMMIT",  # the hot path is single statements; a transaction says that it is one
                    pool_size=self._pool_size,
                    pool_use_lifo=True,  # one that has planned the statements of the hot path, rather than one that has not
                    max_overflow=0,
                    pool_pre_ping=False,
                    connect_args={
                        "connect_timeout": 5,
                        "application_name": "aios",
                        "options": f"-c idle_in_transaction_session_timeout={_IDLE_MS} -c statement_timeout=30000",
                        "keepalives_idle": 10,
                    },
                    json_serializer=compact,
                    json_deserializer=parsed,
                )
                self._life = _Life()
                event.listen(self._engine, "connect", self._note_birth)
                event.listen(self._engine, "checkin", self._life.take_back)
                event.listen(self._engine, "checkout", _refuse_dead)
            return self._engine

    @property
    def reached(self) -> bool:
        """Whether it has ever answered this process."""
        return self._reached

    @property
    def where(self) -> str:
        """Host, port and database, without the password: for messages."""
        return f"{self._url.host}:{self._url.port}/{self._url.database}"

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[Transaction]:
        """One transaction: commits at the end, rolls back on any exception.

        Args:
            durable: False lets the commit return before the disk has it. For heartbeats only.

        Raises:
            DatabaseUnavailable: Postgres is gone, starting, full or read-only, or it broke a deadlock: retry.
        """
        with self._entered() as life, life.pooled(self.engine) as pooled:
            connection = pooled.execution_options(isolation_level="READ COMMITTED")
            with connection.begin():
                if not durable:
                    connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
                yield connection

    @contextmanager
    def statement(self) -> Iterator[Transaction]:
        """For work of single statements: each is a transaction of its own, in one round trip instead of three.

        Raises:
            DatabaseUnavailable: as `transaction`.
        """
        with self._entered() as life:
            connection = life.take() or self.engine.connect()
            try:
                yield connection
            except BaseException:  # whatever it was: the pool mends the connection, or drops it
                connection.close()
                raise
            life.keep(connection)

    @contextmanager
    def _entered(self) -> Iterator[_Life]:
        """Wait for one of the connections: whoever is in has one of the pool's, or one that is kept. Errors become ours."""
        try:
            place = self._room.get(timeout=_WAIT_SECONDS)
        except Empty:
            busy = f"all {self._pool_size} connections of this process were busy for {_WAIT_SECONDS} s"
            raise DatabaseUnavailable(self.where, busy) from None
        try:
            try:
                _ = self.engine  # and with it the life of its connections
                yield self._life
            finally:
                self._room.put(place)
        except (OperationalError, InterfaceError, PoolTimeout, *_LOST) as error:
            raise DatabaseUnavailable(self.where, _reason(error)) from error
        except (DBAPIError, psycopg.Error) as error:
            sqlstate = getattr(getattr(error, "orig", error), "sqlstate", None)
            self._refuse_other_schema(error, sqlstate)
            if getattr(error, "connection_invalidated", False) or sqlstate in _RETRIABLE_SQLSTATES:
                raise DatabaseUnavailable(self.where, _reason(error)) from error
            raise

    def _note_birth(self, _connection: psycopg.Connection[object], record: ConnectionPoolEntry) -> None:
        self._reached = True
        record.info["born"] = time.monotonic()

    def _refuse_other_schema(self, error: Exception, sqlstate: str | None) -> None:
        """A table or column that is missing tells of another version's migrations."""
        if sqlstate not in _MISSING_SQLSTATES:
            return
        found, wanted = version.current(self), version.head()
        if found != wanted:
            raise SchemaMismatch(found, wanted) from error

    def close(self) -> None:
        """Close all connections: the idle ones now, the others when they come back."""
        with self._lock:
            if self._engine is not None:
                self._life.end()
                self._engine.dispose()
                self._engine = None


class _Life:
    """The connections of one engine, and whether it is still used.

    For single statements they are kept outside SQLAlchemy's pool: to go in and out costs as much as many a statement. What
    comes back to an engine that was disposed of, SQLAlchemy would keep open until it is collected.
    """

    def __init__(self) -> None:
        self._kept: deque[Connection] = deque()
        self._over = False

    def take(self) -> Connection | None:
        """One that is kept, the last one used first; None: the pool has room for another."""
        while self._kept:
            with suppress(IndexError):  # another thread was faster
                connection = self._kept.pop()
                driver = connection.connection.driver_connection
                assert isinstance(driver, psycopg.Connection)
                if not _dead(driver):
                    return connection
                connection.invalidate()
                connection.close()
        return None

    def keep(self, connection: Connection) -> None:
        """Keep one for the next statement."""
        if connection.in_transaction():  # SQLAlchemy's own notion: each statement was committed by itself
            connection.rollback()
        self._kept.append(connection)
        if self._over:
            self.end()

    def pooled(self, engine: Engine) -> Connection:
        """One from the pool, in exchange for one that is kept."""
        with suppress(IndexError):
            self._kept.pop().close()
        return engine.connect()

    def end(self) -> None:
        """Close all that are kept, now and whenever one comes back."""
        self._over = True
        with suppress(IndexError):
            while True:
                self._kept.pop().close()

    def take_back(self, connection: psycopg.Connection[object] | None, record: ConnectionPoolEntry) -> None:
        """A connection comes back to the pool."""
        record.info["used"] = True
        if self._over and connection is not None:
            connection.close()


def born(tx: Transaction) -> float:
    """When a connection was opened, by this process' monotonic clock: while it lives its server has not died since."""
    return float(tx.info["born"])


def _refuse_dead(connection: psycopg.Connection[object], record: ConnectionPoolEntry, _proxy: object) -> None:
    """Do not hand out a connection that the server has closed: after a restart every pooled one would cost an error.

    A new one is not looked at: SQLAlchemy replaces a refused one once only.
    """
    if "used" in record.info and _dead(connection):
        raise DisconnectionError


def _dead(connection: psycopg.Connection[Any]) -> bool:
    """Whether the server has closed an idle connection, which has nothing to say but that.

    Looking takes microseconds, where asking takes a round trip.
    """
    if connection.closed:
        return True
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = None
    if parsed is None or parsed.get_backend_name() not in {"postgresql", "postgres"} or not parsed.database:
        text = parsed.render_as_string() if parsed is not None else "what is set"
        raise Misconfigured(f"{text} is no URL of a Postgres database", f"give {_FORM} as AIOS_DATABASE_URL")
    return parsed.set(drivername="postgresql+psycopg")


def _reason(error: SQLAlchemyError | psycopg.Error) -> str:
    origin = getattr(error, "orig", None) or error
    return (str(origin).strip().splitlines() or [type(origin).__name__])[0]
