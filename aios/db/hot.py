"""Statements of the hot path: compiled once, then handed to psycopg, which prepares them at once. A third of SQLAlchemy's time.

SQLAlchemy still owns the connection, its pool and the transaction.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from psycopg.rows import dict_row, tuple_row
from sqlalchemy import JSON, TextClause
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from aios.kernel.values import compact

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from psycopg.rows import RowFactory

    from aios.db.session import Transaction

R = TypeVar("R")

_DIALECT = PGDialect_psycopg()  # type: ignore[no-untyped-call]  # SQLAlchemy has no types there


class Hot:
    """One such statement: `text(...)` with its binds."""

    def __init__(self, statement: TextClause) -> None:
        self._statement = statement

    def first(self, tx: Transaction, values: Mapping[str, Any]) -> dict[str, Any] | None:
        """Its first row by column, or None."""
        return self._run(tx, values, dict_row).fetchone()

    def all(self, tx: Transaction, values: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
        """Its rows by column."""
        return self._run(tx, values, dict_row).fetchall()

    def tuples(self, tx: Transaction, values: Mapping[str, Any]) -> Sequence[tuple[Any, ...]]:
        """Its rows, the columns as they come: for many rows."""
        return self._run(tx, values, tuple_row).fetchall()

    def _run(self, tx: Transaction, values: Mapping[str, Any], rows: RowFactory[R]) -> psycopg.Cursor[R]:
        sql, nullable = self._compiled
        given = dict(values)
        for name, none_as_null in nullable.items():
            if not (none_as_null and given[name] is None):
                given[name] = compact(given[name])
        connection: psycopg.Connection[Any] = tx.connection.driver_connection  # type: ignore[assignment]  # typed as any DBAPI's
        try:
            return connection.cursor(row_factory=rows).execute(sql, given, prepare=True)
        except psycopg.OperationalError:
            if connection.closed:  # SQLAlchemy did not see it happen, and would try to roll back
                tx.invalidate()
            raise

    @cached_property
    def _compiled(self) -> tuple[bytes, dict[str, bool]]:
        """Its SQL with psycopg's placeholders, and which of its JSON values are NULL for None."""
        compiled = self._statement.compile(dialect=_DIALECT)
        kinds = {name: bind.type for name, bind in compiled.binds.items()}
        return compiled.string.encode(), {
            name: bool(kind.none_as_null) for name, kind in kinds.items() if isinstance(kind, JSON)
        }
