"""A Postgres that goes away while a client waits, and comes back: here a database that refuses all connections for a while."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, make_url

from aios.errors import DatabaseUnavailable
from aios.sdk.aio import AsyncClient
from aios.sdk.client import Client

if TYPE_CHECKING:
    from collections.abc import Iterator


class Outage:
    """Switches one database off and on."""

    def __init__(self, owner_url: str, database_url: str) -> None:
        self._engine = create_engine(
            make_url(owner_url).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT"
        )
        self._name = make_url(database_url).database

    def begins(self) -> None:
        with self._engine.connect() as admin:
            admin.exec_driver_sql(f"ALTER DATABASE {self._name} ALLOW_CONNECTIONS false")
            clients = f"datname = '{self._name}' AND backend_type = 'client backend'"
            ended = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {clients}"
            while admin.exec_driver_sql(ended).all():
                time.sleep(0.01)

    def ends(self) -> None:
        with self._engine.connect() as admin:
            admin.exec_driver_sql(f"ALTER DATABASE {self._name} ALLOW_CONNECTIONS true")

    def close(self) -> None:
        self._engine.dispose()


@pytest.fixture
def outage(services, database_url: str) -> Iterator[Outage]:
    made = Outage(services.database_url, database_url)
    yield made
    made.ends()
    made.close()


def waited(client: Client, agent: str) -> str:
    return client.result(agent, timeout=30).state


def waited_on_an_event_loop(client: Client, agent: str) -> str:
    async def work() -> str:
        async with AsyncClient(client.settings) as opened:
            await opened.get(agent)
            return (await opened.result(agent, timeout=30)).state

    return asyncio.run(work())


def followed(client: Client, agent: str) -> str:
    assert "".join(client.stream(agent)) == "the answer"
    return "done"


@pytest.mark.parametrize("wait", [waited, waited_on_an_event_loop, followed])
def test_who_waits_for_an_agent_waits_for_the_database_as_well(wait, client, journal, outage, caplog) -> None:
    states = []
    waiter = threading.Thread(target=lambda: states.append(wait(client, journal.agent)))
    waiter.start()
    time.sleep(0.5)
    outage.begins()
    time.sleep(1.5)
    assert waiter.is_alive()
    outage.ends()
    journal.call(state="running", content="the answer", attempt=1)
    journal.ends()
    waiter.join(timeout=20)
    assert states == ["done"]
    assert len([record for record in caplog.records if "waiting for it" in record.message]) == 1


def test_text_that_is_being_followed_goes_on_where_it_was(client, journal, outage) -> None:
    syscall = journal.call(state="running", attempt=1)
    journal.says(syscall, "the ")
    texts = client.stream(journal.agent)
    assert next(texts) == "the "
    outage.begins()
    journal.says(syscall, "ans", start=2)
    assert next(texts) == "ans"
    outage.ends()
    journal.done(syscall, "the answer")
    journal.ends()
    assert list(texts) == ["wer"]


def test_a_wait_ends_in_time_and_says_why(client, journal, outage) -> None:
    outage.begins()
    begun = time.monotonic()
    with pytest.raises(DatabaseUnavailable, match="not currently accepting connections"):
        client.result(journal.agent, timeout=0.7)
    assert time.monotonic() - begun >= 0.7
    with pytest.raises(DatabaseUnavailable):
        list(client.watch(journal.agent, wait=False))


def test_a_database_that_has_never_answered_is_not_waited_for(client, journal, outage) -> None:
    outage.begins()
    with Client(client.settings) as other:
        with pytest.raises(DatabaseUnavailable):
            other.result(journal.agent)
        with pytest.raises(DatabaseUnavailable):
            list(other.stream(journal.agent))
