from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
import redis

from aios.local.process import birth
from aios.local.stack import Services

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with Services(tmp_path_factory.mktemp("stack"), durable=False) as started:
        yield started


def _insert(stack: Services, value: str) -> None:
    with psycopg.connect(stack.database_url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (value text)")
        connection.execute("INSERT INTO kept VALUES (%s)", [value])


def _kept(stack: Services, value: str) -> bool:
    with psycopg.connect(stack.database_url) as connection:
        return bool(connection.execute("SELECT FROM kept WHERE value = %s", [value]).rowcount)


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_committed_rows_survive_the_end_of_postgres(stack: Services, end: str) -> None:
    url = stack.database_url
    _insert(stack, end)
    getattr(stack.postgres, end)()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(stack.database_url, connect_timeout=2)
    stack.postgres.start()
    assert stack.database_url == url
    assert _kept(stack, end)


def test_the_owner_creates_databases_that_have_pgvector(stack: Services) -> None:
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE another")
    with psycopg.connect(stack.database_url.rsplit("/", 1)[0] + "/another") as connection:
        assert connection.execute("SELECT '[1,2]'::vector <-> '[1,5]'").fetchone() == (3.0,)


def test_the_application_role_writes_rows_and_changes_no_schema(stack: Services) -> None:
    _insert(stack, "app")
    with psycopg.connect(stack.application_url, autocommit=True) as connection:
        connection.execute("INSERT INTO kept VALUES ('by app')")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DROP TABLE kept")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("CREATE TABLE mine (x int)")


def test_postgres_wants_its_password(stack: Services) -> None:
    host = stack.database_url.rpartition("@")[2]
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(f"postgresql://aios:wrong@{host}")


def test_valkey_wants_its_password_and_shows_it_to_nobody(stack: Services, tmp_path: Path) -> None:
    host = stack.redis_url.rpartition("@")[2]
    with (
        contextlib.closing(redis.Redis.from_url(f"redis://{host}")) as client,
        pytest.raises(redis.AuthenticationError),
    ):
        client.ping()
    password = stack.redis_url.split(":")[2].split("@")[0]
    assert password not in Path(f"/proc/{stack.valkey.pid}/cmdline").read_text()


def test_valkey_keeps_its_data_over_a_stop_and_loses_it_when_wiped(stack: Services) -> None:
    with contextlib.closing(redis.Redis.from_url(stack.redis_url)) as client:
        client.set("here", "1")
        stack.valkey.restart()
        assert client.get("here") == b"1"
        stack.valkey.kill()
        stack.valkey.wipe()
        stack.valkey.start()
        assert client.get("here") is None
        client.set("here", "1")
        stack.valkey.flush()
        assert client.get("here") is None


def test_leaving_the_stack_leaves_no_process(tmp_path: Path) -> None:
    with Services(tmp_path, durable=False) as stack:
        pids = stack.postgres.pid, stack.valkey.pid
        assert all(birth(pid) for pid in pids)
    assert not any(birth(pid) for pid in pids)
