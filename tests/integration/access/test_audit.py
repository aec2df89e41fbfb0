"""The audit log: nobody changes it unnoticed, and sealing it keeps nobody waiting."""

from __future__ import annotations

from contextlib import suppress
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url, text

from aios.db import audit, roles
from aios.errors import Misconfigured
from aios.kernel.audit import verify
from tests.cli import aios

__all__ = ["aios"]


@pytest.fixture
def log(database):
    """A log of twenty rows, sealed."""
    write(database, 20)
    seal(database)
    return database


def write(database, count):
    for number in range(count):
        with database.transaction() as tx:
            audit.write(tx, actor="user:a", action="granted", resource=f"file:/{number}", detail={"n": number})


def seal(database):
    with database.transaction() as tx:
        return audit.seal(tx)


def verified(database):
    with database.transaction() as tx:
        return verify(audit.entries(tx), now=audit.clock(tx))


def tamper(database, *statements):
    """What only the database's owner can do, and not by accident."""
    with database.transaction() as tx:
        for table in ("audit_log", "audit_chain"):
            tx.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER grows_only")
        for statement in statements:
            tx.exec_driver_sql(statement)


def test_a_log_that_nobody_touched_is_good(log):
    found = verified(log)
    assert (found.good, found.rows, found.unsealed) == (True, 20, 0)
    write(log, 3)
    assert (verified(log).good, verified(log).unsealed) == (True, 3)
    assert seal(log) == 3
    assert found.head in verified(log).heads
    assert seal(log) == 0


ALTERED = [
    ("UPDATE audit_log SET actor = 'user:b' WHERE id = 7", "changed", [7]),
    ("UPDATE audit_log SET at = at - interval '1 hour' WHERE id = 20", "changed", [20]),
    ("""UPDATE audit_log SET detail = '{"n": 8}' WHERE id = 1""", "changed", [1]),
    ("DELETE FROM audit_log WHERE id = 7", "removed", [7]),
    ("DELETE FROM audit_log WHERE id IN (1, 20)", "removed", [1, 20]),
    ("DELETE FROM audit_chain WHERE position = 7", "broken", [7]),
]


def test_a_row_that_was_changed_or_removed_is_found(log):
    for statement, what, rows in ALTERED:
        with log.transaction() as tx:
            for table in ("audit_log", "audit_chain"):
                tx.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER grows_only")
            tx.exec_driver_sql(statement)
            found = verify(audit.entries(tx), now=audit.clock(tx))
            tx.rollback()
        assert not found.good
        assert getattr(found, what) == rows
    assert verified(log).good


def test_a_row_that_was_inserted_behind_is_found_sealed_or_not(log):
    tamper(
        log,
        """
        INSERT INTO audit_log (id, at, actor, action, resource) OVERRIDING SYSTEM VALUE
        VALUES (1000, clock_timestamp() - interval '1 hour', 'user:a', 'granted', 'file:/never')
        """,
    )
    assert verified(log).inserted == [1000]
    write(log, 1)
    seal(log)
    assert verified(log).inserted == [1000]


def test_a_whole_new_chain_is_found_by_a_head_that_was_noted(log):
    noted = verified(log).head
    tamper(log, "UPDATE audit_log SET actor = 'user:b' WHERE id = 7", "DELETE FROM audit_chain")
    seal(log)
    assert verified(log).good
    assert noted not in verified(log).heads


def test_an_outage_of_the_tick_makes_no_row_look_inserted(database):
    write(database, 2)
    seal(database)
    tamper(database, "UPDATE audit_chain SET sealed_at = sealed_at - interval '2 hours'")
    with database.transaction() as tx:
        tx.exec_driver_sql(
            """
            INSERT INTO audit_log (at, actor, action, resource)
            SELECT clock_timestamp() - make_interval(mins => 100 - n / 10), 'user:a', 'granted', 'x'
            FROM generate_series(1, 600) n
            """
        )
    while seal(database):
        pass
    assert verified(database).inserted == []


def test_the_log_only_grows(log):
    for statement in ("UPDATE audit_log SET actor = 'b'", "DELETE FROM audit_chain", "TRUNCATE audit_log"):
        with pytest.raises(Exception, match="only grows"), log.transaction() as tx:
            tx.execute(text(statement))
    assert verified(log).good


@pytest.fixture
def superuser(services, database_url):
    """The URL of this test's database for the superuser; a server of somebody else's may not tell."""
    url = getattr(services, "superuser_url", None)
    if url is None:
        pytest.skip("the servers of this run are not our own")
    return make_url(url).set(database=make_url(database_url).database).render_as_string(hide_password=False)


@pytest.fixture
def stranger(superuser):
    """The URL of a role that the server does not know."""
    url = make_url(superuser).set(username=f"app {uuid4().hex[:8]}", password="a'b:%c")  # hard to quote
    yield url.render_as_string(hide_password=False)
    with psycopg.connect(superuser, autocommit=True) as connection, suppress(psycopg.errors.UndefinedObject):
        connection.execute(sql.SQL("DROP OWNED BY {0}").format(sql.Identifier(url.username)))
        connection.execute(sql.SQL("DROP ROLE {0}").format(sql.Identifier(url.username)))


def writes_and_changes_nothing(url):
    given = make_url(url)  # psycopg reads a URL otherwise than SQLAlchemy: plus signs, for one
    names = {"host": given.host, "port": given.port, "dbname": given.database}
    with psycopg.connect(**names, user=given.username, password=given.password, autocommit=True) as connection:
        connection.execute("INSERT INTO audit_log (actor, action, resource) VALUES ('a', 'granted', 'x')")
        assert connection.execute("SELECT count(*) FROM audit_chain").fetchone() == (20,)
        for statement in (
            "UPDATE audit_log SET actor = 'b'",
            "DELETE FROM audit_log",
            "TRUNCATE audit_log",
            "UPDATE audit_chain SET position = 1",
            "DELETE FROM audit_chain",
            "ALTER TABLE audit_log DISABLE TRIGGER ALL",
            "DROP TABLE agents",
            "UPDATE alembic_version SET version_num = '0'",
        ):
            # By its rights: the trigger, which refuses with the same code, says that the table only grows.
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match=r"permission denied|must be owner"):
                connection.execute(statement)


def test_the_applications_role_writes_the_log_and_changes_nothing_of_it(log, services, superuser):
    application = make_url(services.application_url).set(database=make_url(superuser).database)
    writes_and_changes_nothing(application.render_as_string(hide_password=False))


def test_a_database_of_ones_own_gets_the_role_by_its_upgrade(log, superuser, stranger, aios, monkeypatch):
    monkeypatch.setenv("AIOS_DATABASE_OWNER_URL", superuser)
    monkeypatch.setenv("AIOS_DATABASE_URL", stranger)
    for _ in range(2):
        assert f"connect as {make_url(stranger).username}" in aios("db", "upgrade").out
    writes_and_changes_nothing(stranger)


def test_an_owner_that_may_make_no_role_is_told_what_to_do(database, stranger):
    with pytest.raises(Misconfigured, match=r"may not make it; let a superuser run CREATE ROLE"):
        roles.admit(database, stranger)


def test_sealing_waits_for_no_writer_and_keeps_none_waiting(database):
    with database.transaction() as slow:
        audit.write(slow, actor="user:slow", action="granted", resource="file:/slow")
        write(database, 5)
        assert seal(database) == 5
        with database.transaction() as sealing:
            audit.write(sealing, actor="user:b", action="granted", resource="file:/b")
            assert audit.seal(sealing) == 1
            write(database, 1)
    assert seal(database) == 2
    assert verified(database).good
