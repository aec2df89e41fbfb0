"""Statements of the hot path: compiled and prepared once, then run by one call of libpq. A third of SQLAlchemy's time.

A cursor gives the interpreter's lock back nine times a statement, and where threads compete for it each time is
a turn in a queue (ADR 0017). SQLAlchemy still owns the connection, its pool and the transaction.
"""

from __future__ import annotations

import itertools
import threading
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import psycopg
from psycopg import errors, pq
from psycopg.adapt import PyFormat, Transformer
from psycopg.rows import tuple_row
from sqlalchemy import JSON, TextClause
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from aios.kernel.values import compact

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from psycopg.pq.abc import PGresult

    from aios.db.session import Transaction

_DIALECT: Final = PGDialect_psycopg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]  # SQLAlchemy has no types there
_FORGOTTEN: Final = b"26000"  # psycopg has the server forget all prepared statements after a rollback
_NAMES: Final = (b"aios_%d" % number for number in itertools.count())


class _Rows(NamedTuple):
    names: Sequence[str]
    rows: Sequence[tuple[Any, ...]]


class _Compiled(NamedTuple):
    """SQL with libpq's placeholders, and the values' names in their order, those in JSON with whether None is NULL there."""

    sql: bytes
    names: tuple[str, ...]
    jsons: Mapping[str, bool]


class _Prepared:
    """A statement as one connection has it: a name for each combination of its values' types."""

    def __init__(self, connection: psycopg.Connection[Any], sql: bytes) -> None:
        self._connection = connection
        self._sql = sql
        self._values = Transformer(connection)
        self._names: dict[tuple[int, ...], bytes] = {}
        self._columns: Sequence[str] = ()

    def run(self, given: Sequence[Any]) -> _Rows:
        """Its rows.

        Raises:
            psycopg.Error: as a cursor would.
        """
        link, values = self._connection.pgconn, self._values
        dumped = values.dump_sequence(given, [PyFormat.AUTO] * len(given))
        execute = partial(
            link.exec_prepared, param_values=cast("Sequence[bytes]", dumped), param_formats=values.formats
        )
        result = execute(self._name(values.types))
        if result.error_field(pq.DiagnosticField.SQLSTATE) == _FORGOTTEN:
            self._names.clear()
            result = execute(self._name(values.types))
        self._check(result, pq.ExecStatus.TUPLES_OK)
        values.set_pgresult(result)
        if not self._columns:
            self._columns = [(result.fname(i) or b"").decode() for i in range(result.nfields)]
        return _Rows(self._columns, values.load_rows(0, result.ntuples, tuple))

    def _name(self, types: tuple[int, ...] | None) -> bytes:
        name = self._names.get(types or ())
        if name is None:
            name = next(_NAMES)
            self._check(self._connection.pgconn.prepare(name, self._sql, types), pq.ExecStatus.COMMAND_OK)
            self._names[types or ()] = name
        return name

    def _check(self, result: PGresult, wanted: pq.ExecStatus) -> None:
        if result.status == wanted:
            return
        if self._connection.closed:  # whatever else the server said before
            raise psycopg.OperationalError(result.get_error_message())
        raise errors.error_from_result(result)


class Hot:
    """One such statement, which gives rows: `text(...)` with its binds."""

    def __init__(self, statement: TextClause) -> None:
        self._statement = statement

    def first(self, tx: Transaction, values: Mapping[str, Any]) -> dict[str, Any] | None:
        """Its first row by column, or None."""
        names, rows = self._run(tx, values)
        return dict(zip(names, rows[0], strict=True)) if rows else None

    def all(self, tx: Transaction, values: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
        """Its rows by column."""
        names, rows = self._run(tx, values)
        return [dict(zip(names, row, strict=True)) for row in rows]

    def tuples(self, tx: Transaction, values: Mapping[str, Any]) -> Sequence[tuple[Any, ...]]:
        """Its rows, the columns as they come: for many rows."""
        return self._run(tx, values).rows

    def _run(self, tx: Transaction, values: Mapping[str, Any]) -> _Rows:
        compiled = self._compiled
        given = [_bound(values[name], compiled.jsons.get(name)) for name in compiled.names]
        connection: psycopg.Connection[Any] = tx.connection.driver_connection  # type: ignore[assignment]  # typed as any DBAPI's
        try:
            if connection.autocommit and threading.current_thread() is not threading.main_thread():
                return self._prepared(tx, connection).run(given)
            # a transaction begins with the cursor's first statement; and Ctrl-C, which only the main thread gets, ends its wait
            cursor = psycopg.RawCursor(connection, row_factory=tuple_row).execute(compiled.sql, given, prepare=True)
            return _Rows([column.name for column in cursor.description or ()], cursor.fetchall())
        except psycopg.OperationalError:
            if connection.closed:  # SQLAlchemy did not see it happen, and would try to roll back
                tx.invalidate()
            raise

    def _prepared(self, tx: Transaction, connection: psycopg.Connection[Any]) -> _Prepared:
        known: dict[Hot, _Prepared] = tx.info.setdefault("prepared", {})  # which lives as long as the connection
        if self not in known:
            known[self] = _Prepared(connection, self._compiled.sql)
        return known[self]

    @cached_property
    def _compiled(self) -> _Compiled:
        compiled = self._statement.compile(dialect=_DIALECT)
        kinds = {name: bind.type for name, bind in compiled.binds.items()}
        jsons = {name: bool(kind.none_as_null) for name, kind in kinds.items() if isinstance(kind, JSON)}
        return _Compiled(compiled.string.encode(), tuple(compiled.positiontup or ()), jsons)


def _bound(value: Any, none_as_null: bool | None) -> Any:  # noqa: FBT001  # None: it is no JSON
    return value if none_as_null is None or (none_as_null and value is None) else compact(value)
