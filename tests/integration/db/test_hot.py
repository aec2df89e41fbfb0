"""Statements of the hot path give in a thread, by libpq alone, what a cursor gives: the same rows, the same errors."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from aios.db.hot import Hot
from aios.db.session import Database
from aios.errors import DatabaseUnavailable

KINDS = {
    "number": "bigint",
    "words": "text",
    "data": "bytea",
    "ident": "uuid",
    "moment": "timestamptz",
    "flag": "boolean",
    "share": "double precision",
    "list": "text[]",
}
ECHO = Hot(
    text(
        f"SELECT {', '.join(f'CAST(:{name} AS {kind}) AS {name}' for name, kind in KINDS.items())}, "
        ":absent AS absent, :null AS nil, :words || '%s %% $1' AS sql, :words = :words AS twice"
    ).bindparams(
        bindparam("absent", type_=JSONB(none_as_null=True)),
        bindparam("null", type_=JSONB(none_as_null=False)),
    )
)
FULL = {
    "number": 7,
    "words": "§ 'x' \\",
    "data": b"\x00\xff",
    "ident": UUID(int=5),
    "moment": datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
    "flag": True,
    "share": -0.1,
    "list": ["a", 'b"', "c,d"],
    "absent": {"k": [1, None, "é"]},
    "null": [],
}
VALUES = [
    FULL,
    dict.fromkeys(FULL),
    FULL | {"number": 40_000},
    FULL | {"number": -(2**40), "words": ""},
    FULL | {"list": [], "absent": None, "null": None},
]


@pytest.fixture
def one(database_url):
    """With a single connection, so that all threads share what it has prepared."""
    opened = Database(database_url, pool_size=1)
    yield opened
    opened.close()


@pytest.fixture
def thread():
    with ThreadPoolExecutor(1) as pool:
        yield lambda work: pool.submit(work).result(20)


def first(database, statement, values):
    with database.statement() as tx:
        return statement.first(tx, values)


def roll_back(database):
    with database.transaction() as tx:
        ECHO.first(tx, FULL)
        raise ZeroDivisionError


def prepared(database):
    with database.statement() as tx:
        return sorted(tx.execute(text("SELECT name FROM pg_prepared_statements")).scalars())


@pytest.mark.parametrize("values", VALUES)
def test_rows_are_those_of_a_cursor(one, thread, values):
    assert threading.current_thread() is threading.main_thread()
    by_cursor = first(one, ECHO, values)
    assert thread(lambda: first(one, ECHO, values)) == by_cursor
    assert thread(lambda: first(one, ECHO, values)) == by_cursor
    assert by_cursor["sql"] == (None if values["words"] is None else values["words"] + "%s %% $1")
    assert (by_cursor["absent"], by_cursor["nil"]) == (values["absent"], values["null"])


def test_it_is_prepared_once_for_each_combination_of_types(one, thread):
    for values in (*VALUES, *VALUES):
        thread(lambda values=values: first(one, ECHO, values))
    names = prepared(one)
    assert all(name.startswith("aios_") for name in names)
    assert len(names) == 4  # three sizes of a number, and none at all


@pytest.mark.parametrize("how", ["DEALLOCATE ALL", "DISCARD ALL", "rollback"])
def test_what_the_server_has_forgotten_is_prepared_again(one, thread, how):
    """psycopg deallocates all prepared statements after a rollback, ours as well."""
    assert thread(lambda: first(one, ECHO, FULL)) == first(one, ECHO, FULL)
    if how == "rollback":
        with pytest.raises(ZeroDivisionError):
            thread(lambda: roll_back(one))
    else:
        with one.statement() as tx:
            tx.execute(text(how))
    assert prepared(one) == []
    assert thread(lambda: first(one, ECHO, FULL)) == first(one, ECHO, FULL)


def test_many_rows_none_and_none_at_all(one, thread):
    many = Hot(text("SELECT n, n * 2 AS twice FROM generate_series(1, :count) n"))

    def run(count):
        with one.statement() as tx:
            return many.all(tx, {"count": count}), many.tuples(tx, {"count": count}), many.first(tx, {"count": count})

    assert (
        thread(lambda: run(2))
        == run(2)
        == ([{"n": 1, "twice": 2}, {"n": 2, "twice": 4}], [(1, 2), (2, 4)], {"n": 1, "twice": 2})
    )
    assert thread(lambda: run(0)) == run(0) == ([], [], None)


@pytest.mark.parametrize(
    "sql", ["SELECT 1 / :n", "SELECT :n FROM nowhere_at_all", "SELECT nonsense(:n)", "SELECT CAST('x' AS uuid), :n"]
)
def test_errors_are_those_of_a_cursor_and_the_connection_stays(one, thread, sql):
    def error():
        with pytest.raises(psycopg.Error) as raised:
            first(one, Hot(text(sql)), {"n": 0})
        return type(raised.value), raised.value.sqlstate, raised.value.diag.message_primary

    assert thread(error) == error()
    pids = {thread(lambda: first(one, Hot(text("SELECT pg_backend_pid() AS pid")), {}))["pid"] for _ in range(3)}
    assert len(pids) == 1


def test_in_a_transaction_it_is_undone_with_it(one, thread):
    insert, count = (
        Hot(text("INSERT INTO written VALUES (:n) RETURNING n")),
        Hot(text("SELECT count(*) AS n FROM written")),
    )
    with one.statement() as tx:
        tx.execute(text("CREATE TABLE written (n int)"))

    def write(end):
        with one.transaction() as tx:
            assert insert.first(tx, {"n": 1}) == {"n": 1}
            end()

    with pytest.raises(ZeroDivisionError):
        thread(lambda: write(lambda: 1 / 0))
    assert thread(lambda: first(one, count, {})) == {"n": 0}
    thread(lambda: write(lambda: None))
    assert thread(lambda: first(one, count, {})) == {"n": 1}


def test_a_server_that_ends_a_connection_in_mid_statement_is_unavailable_and_the_next_has_another(
    one, thread, database
):
    slow, pid = Hot(text("SELECT pg_sleep(:seconds)")), Hot(text("SELECT pg_backend_pid() AS pid"))
    ended = thread(lambda: first(one, pid, {}))["pid"]
    asleep = text("SELECT 1 FROM pg_stat_activity WHERE pid = :pid AND wait_event = 'PgSleep'")

    def end():
        with database.statement() as tx:
            while tx.execute(asleep, {"pid": ended}).scalar() is None:
                time.sleep(0.01)
            tx.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": ended})

    killer = threading.Thread(target=end)
    killer.start()
    with pytest.raises(DatabaseUnavailable, match=r"terminating connection|closed the connection"):
        thread(lambda: first(one, slow, {"seconds": 15}))
    killer.join(10)
    assert thread(lambda: first(one, pid, {}))["pid"] != ended


def test_a_statement_that_takes_too_long_is_ended_by_the_server(one, thread):
    def wait():
        with one.statement() as tx:
            tx.execute(text("SET statement_timeout = 50"))
            Hot(text("SELECT pg_sleep(:seconds)")).all(tx, {"seconds": 20})

    with pytest.raises(DatabaseUnavailable, match="statement timeout"):
        thread(wait)
