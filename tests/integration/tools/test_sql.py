"""`sql.query` on a real Postgres: it reads, and nothing that it is given makes it do more."""

from __future__ import annotations

from uuid import uuid4

import psycopg
import pytest

from aios.errors import InvalidArgument, ToolOff, ToolUnavailable
from aios.tools.registry import Loaded, Registry
from aios.tools.sql import read, sql_tool


@pytest.fixture
def dsn(database_url):
    """A database with a table; the run's role owns it, and is no superuser."""
    url = database_url.replace("+psycopg", "")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA s")
        connection.execute("CREATE TABLE s.users AS SELECT n AS id, 'user ' || n AS name FROM generate_series(1, 5) n")
        connection.execute("CREATE SEQUENCE s.numbers")
        connection.execute(
            "CREATE FUNCTION s.add() RETURNS int LANGUAGE sql AS 'INSERT INTO s.users VALUES (9) RETURNING id'"
        )
    return url


def test_it_reads_rows_and_says_when_there_are_more(dsn):
    assert read(dsn, "SELECT id, name FROM s.users ORDER BY id;", rows=2) == {
        "rows": [{"id": 1, "name": "user 1"}, {"id": 2, "name": "user 2"}],
        "more": True,
    }
    values = (
        "SELECT now()::date - date '2000-01-01' > 0 AS b, 1.5::numeric AS n, '{1,2}'::int[] AS a, '\\x00'::bytea AS y"
    )
    told = read(dsn, f"{values}, 'nan'::float AS f, '{{\"k\": [1]}}'::jsonb AS j", rows=1)
    assert told == {
        "rows": [{"b": True, "n": "1.5", "a": [1, 2], "y": "00", "f": "nan", "j": {"k": [1]}}],
        "more": False,
    }


STATEMENTS = [
    "DELETE FROM s.users",
    "INSERT INTO s.users VALUES (7, 'x')",
    "WITH gone AS (DELETE FROM s.users RETURNING id) SELECT * FROM gone",
    "SELECT 1; DELETE FROM s.users",
    "COMMIT",
    "COMMIT; SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE; COMMIT; DELETE FROM s.users",
    "SELECT 1; COMMIT; SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE; COMMIT; DELETE FROM s.users",
    "SET transaction_read_only = off",
    "COPY s.users TO PROGRAM 'touch /tmp/x'",
    "COPY (SELECT 1) TO '/tmp/x'",
    "DO $$ BEGIN DELETE FROM s.users; END $$",
    "SELECT s.add()",
    "SELECT nextval('s.numbers')",
    "SELECT set_config('transaction_read_only', 'off', true), s.add()",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT * FROM s.users FOR UPDATE",
    "SELECT wrong FROM s.users",
    "\x00",
    "SELEC 1",
]


def test_everything_else_is_refused_and_nothing_changes(dsn):
    for statement in STATEMENTS:
        with pytest.raises(InvalidArgument, match="query"):
            read(dsn, statement, rows=10)
    assert read(dsn, "SELECT count(*) AS n FROM s.users", rows=1)["rows"] == [{"n": 5}]


def test_a_superuser_is_refused(services):
    with pytest.raises(ToolOff, match="superuser"):
        read(services.superuser_url.replace("+psycopg", ""), "SELECT 1", rows=1)
    with pytest.raises(ToolOff, match="no DSN"):
        read("postgres+x:///", "SELECT 1", rows=1)


def test_a_database_that_is_not_there_is_told_as_that():
    with pytest.raises(ToolUnavailable, match="database"):
        read("postgresql://x@127.0.0.1:1/x", "SELECT 1", rows=1)


def test_without_a_dsn_the_tool_is_off_and_with_one_models_may_use_it(dsn, monkeypatch):
    registry = Registry([Loaded(sql_tool("MY_DSN"), "here")])

    def call():
        return registry.call("sql.query", {"query": "SELECT 1 AS one"}, agent_id=uuid4(), seconds=10)

    with pytest.raises(ToolOff, match="MY_DSN is not set"):
        call()
    monkeypatch.setenv("MY_DSN", dsn)
    assert call()["rows"] == [{"one": 1}]
