"""`sql.query`: one reading query on a database of the operator's choice.

Three fences, each enough by itself for what it stops: a cursor can be declared for a query alone, so that no other
statement is possible; the transaction is read-only and its snapshot is taken before, so that it stays so; and a role that
is a superuser is refused, since functions could give it files and programs of the server.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Final

import psycopg
from psycopg.rows import dict_row
from pydantic import Field

from aios.errors import InvalidArgument, ToolOff, ToolUnavailable
from aios.kernel.values import clean
from aios.kernel.words import Effect
from aios.tools.tool import Tool, tool

if TYPE_CHECKING:
    from aios.kernel.values import Json, JsonObject

NAME: Final = "sql.query"
_SECONDS: Final = 20.0
_PLAIN: Final = (str, int, float, bool, type(None))
Query = Annotated[str, Field(min_length=1, max_length=20_000)]
Rows = Annotated[int, Field(ge=1, le=1_000)]


def sql_tool(variable: str) -> Tool:
    """The tool that reads from the database whose DSN an environment variable holds."""

    def sql_query(query: Query, rows: Rows = 100) -> Json:
        """Read from the database by one SQL query.

        Args:
            query: SELECT, VALUES or WITH; PostgreSQL's dialect.
            rows: at most so many are given.

        Examples:
            How many users are there? -> {"query": "SELECT count(*) FROM users"}
        """
        why = _why_off(variable)
        if why:
            raise ToolOff(NAME, why)
        return read(os.environ[variable], query, rows=rows)  # noqa: TID251  # no file holds the password

    made = tool(name=NAME, effect=Effect.NONE, timeout_seconds=_SECONDS + 5)(sql_query)
    return replace(made, why_off=lambda: _why_off(variable))


def read(dsn: str, query: str, *, rows: int) -> JsonObject:
    """The rows of a query, and whether there are more.

    Raises:
        InvalidArgument: it is no query that only reads; the text is the database's.
        ToolOff: the DSN is none, or its role is a superuser.
        ToolUnavailable: the database does not answer.
    """
    try:
        psycopg.conninfo.conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:  # its text would show the password
        raise ToolOff(
            NAME, "its environment variable holds no DSN, such as postgresql://role:password@host/db"
        ) from None
    options = f"-c default_transaction_read_only=on -c statement_timeout={int(_SECONDS * 1000)}"
    try:
        with psycopg.connect(dsn, options=options, connect_timeout=5, row_factory=dict_row) as connection:
            connection.read_only = True
            _refuse_superuser(connection)  # the first query: from here on the transaction cannot become a writing one
            with connection.cursor(name="aios") as cursor:
                cursor.execute(query.strip().rstrip(";").encode())
                found = cursor.fetchmany(rows + 1)
            connection.rollback()
    except psycopg.OperationalError as error:
        if error.sqlstate is None or error.sqlstate.startswith(("08", "57P", "53")):
            raise ToolUnavailable(NAME, "the database", _first_line(error)) from error
        raise InvalidArgument("query", query[:200], _first_line(error)) from error
    except psycopg.Error as error:
        raise InvalidArgument("query", query[:200], _first_line(error)) from error
    return {"rows": [_row(row) for row in found[:rows]], "more": len(found) > rows}


def _refuse_superuser(connection: psycopg.Connection[JsonObject]) -> None:
    row = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
    if row is None or row["rolsuper"]:
        raise ToolOff(NAME, "its DSN names a superuser; give it a role that may read what agents may see, and no more")


def _row(row: JsonObject) -> JsonObject:
    return {clean(str(name)): _value(value) for name, value in row.items()}


def _value(value: object) -> Json:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, float):
        return value if abs(value) < float("inf") else str(value)
    if isinstance(value, list):
        return [_value(part) for part in value]
    if isinstance(value, dict):
        return _row(value)
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    return value if isinstance(value, _PLAIN) else str(value)


def _why_off(variable: str) -> str:
    if not variable:
        return "tools.sql_env names no environment variable with a DSN"
    return "" if os.environ.get(variable) else f"the environment variable {variable} is not set"  # noqa: TID251  # as above


def _first_line(error: psycopg.Error) -> str:
    return clean((str(error).strip().splitlines() or [type(error).__name__])[0])
