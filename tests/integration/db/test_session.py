"""Connections between statements: kept, as many as are allowed, replaced when the server has closed them, closed at the end."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import text

from aios.db import session
from aios.db.session import Database
from aios.errors import DatabaseUnavailable

_OTHERS = (
    "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
    "AND backend_type = 'client backend'"  # Postgres' own cleaners come and go
)


@pytest.fixture
def watcher(database_url):
    opened = Database(database_url, pool_size=1)
    yield opened
    opened.close()


@pytest.fixture
def small(database_url):
    opened = Database(database_url, pool_size=2)
    yield opened
    opened.close()


def pid(database):
    with database.statement() as tx:
        return tx.execute(text("SELECT pg_backend_pid()")).scalar_one()


def pid_of_transaction(database):
    with database.transaction() as tx:
        return tx.execute(text("SELECT pg_backend_pid()")).scalar_one()


def others(database):
    with database.statement() as tx:
        return tx.execute(text(f"SELECT count(*) {_OTHERS}")).scalar_one()


def test_statements_and_transactions_share_one_connection(small, watcher):
    assert len({pid(small), pid_of_transaction(small), pid(small), pid(small), pid_of_transaction(small)}) == 1
    assert others(watcher) == 1


def test_threads_never_have_more_connections_than_the_pool_and_none_is_left_waiting(small, watcher):
    failed = []

    def work(number):
        try:
            for turn in range(12):
                (pid if (turn + number) % 3 else pid_of_transaction)(small)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert others(watcher) <= 2
    assert failed == []


def test_a_connection_that_the_server_has_closed_is_not_used_again(small, watcher):
    with small.statement() as first, small.statement() as second:
        for tx in (first, second):
            tx.execute(text("SELECT 1"))
    with watcher.statement() as tx:
        ended = tx.execute(text(f"SELECT pg_terminate_backend(pid, 5000) {_OTHERS}")).scalars().all()
    assert ended == [True, True]
    assert pid(small)
    assert pid_of_transaction(small)


def test_a_statement_that_fails_leaves_its_connection_usable(small):
    with pytest.raises(Exception, match="division by zero"), small.statement() as tx:
        tx.execute(text("SELECT 1 / 0"))
    assert pid(small)


def test_who_finds_all_connections_busy_is_told_so(small, monkeypatch):
    monkeypatch.setattr(session, "_WAIT_SECONDS", 0.05)  # ten seconds are too long for a test
    with small.statement(), small.transaction():  # noqa: SIM117  # the third is the one that fails
        with pytest.raises(DatabaseUnavailable, match="all 2 connections of this process were busy"), small.statement():
            pass
    assert pid(small)


def test_a_closed_database_keeps_nothing_open_not_even_what_comes_back_later(small, watcher):
    with small.statement() as tx:
        tx.execute(text("SELECT 1"))
        pid(small)
        small.close()
    assert others(watcher) == 0
    assert pid(small)  # opened anew
    assert others(watcher) == 1
