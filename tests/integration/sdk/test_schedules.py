"""Schedules by the client, and the ticks that start agents, on a real Postgres and a real Valkey."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import event, text

from aios.db import schedules, workers
from aios.errors import InvalidArgument, NotFound, NotJson, UnknownProgram
from aios.sdk.client import Client
from aios.worker import system
from aios.worker.system import fire_due
from tests.blocking import waiting

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from aios.db.session import Database


@pytest.fixture
def client(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Client]:
    with Client(database_url=database_url, redis_url=redis_url, data_dir=tmp_path) as opened:
        yield opened


def tell(database: Database, *programs: str) -> None:
    row = {"version": "1", "source": "test", "summary": "", "tools": [], "error": None}
    with database.transaction() as tx:
        workers.publish_programs(tx, [row | {"name": name} for name in programs])


def make_due(database: Database, name: str, *, ago: str = "0 s") -> datetime:
    with database.transaction() as tx:
        return tx.execute(
            text(
                "UPDATE schedules SET next_at = clock_timestamp() - CAST(:ago AS interval) WHERE name = :name"
                " RETURNING next_at"
            ),
            {"name": name, "ago": ago},
        ).scalar_one()


def fire(client: Client, database: Database) -> int:
    return fire_due(database, client._parts.dispatch, client.settings.limits)


def test_a_schedule_is_listed_with_its_next_tick(client: Client) -> None:
    made = client.schedule("nightly", "0 3 * * *", "echo", "hello", timezone="Europe/Berlin", priority=2)
    (listed,) = client.schedules()
    assert made == listed
    assert (listed["name"], listed["program"], listed["task"], listed["priority"]) == ("nightly", "echo", "hello", 2)
    assert listed["next_at"] > listed["created_at"]
    assert (listed["next_at"].minute, listed["last_at"], listed["last_agent"]) == (0, None, None)


def test_a_due_schedule_starts_one_agent_and_moves_on(client: Client, database: Database) -> None:
    client.schedule("often", "* * * * *", "echo", {"say": "hello"}, priority=3)
    tick = make_due(database, "often")
    assert fire(client, database) == 1
    assert fire(client, database) == 0
    (agent,) = client.list()
    assert (agent["program"], agent["task"], agent["priority"]) == ("echo", {"say": "hello"}, 3)
    (run,) = client.schedule_history("often")
    assert (run["tick_at"], run["agent_id"], run["manual"], run["state"]) == (tick, agent["id"], False, "queued")
    (listed,) = client.schedules()
    assert listed["last_agent"] == agent["id"]
    assert timedelta(0) < listed["next_at"] - tick <= timedelta(minutes=1)


def test_ticks_missed_for_an_hour_are_made_up_for_once(client: Client, database: Database) -> None:
    client.schedule("often", "* * * * *", "echo", "hello")
    tick = make_due(database, "often", ago="1 hour")
    assert fire(client, database) == 1
    assert fire(client, database) == 0
    (run,) = client.schedule_history("often")
    assert run["tick_at"] == tick
    assert client.schedules()[0]["next_at"] > run["fired_at"]


def test_many_who_fire_at_once_start_one_agent_for_each_tick(client: Client, database: Database) -> None:
    names = [f"s{i}" for i in range(6)]
    for name in names:
        client.schedule(name, "*/5 * * * *", "echo", name)
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            for name in names:
                make_due(database, name)
            list(pool.map(lambda _: fire(client, database), range(16)))
            for name in names:
                assert client.schedules()[names.index(name)]["next_at"] > client.schedule_history(name)[0]["fired_at"]
    assert sorted(agent["task"] for agent in client.list()) == sorted(names * 5)


class Died(Exception):
    pass


def start_and_die(client: Client, database: Database) -> None:
    with database.transaction() as tx:
        system._start(tx, schedules.due(tx), client.settings.limits)
        raise Died


def test_a_fire_that_dies_before_its_commit_leaves_the_tick_to_the_next(client: Client, database: Database) -> None:
    client.schedule("often", "* * * * *", "echo", "hello")
    make_due(database, "often")
    with pytest.raises(Died):
        start_and_die(client, database)
    assert client.list() == []
    assert fire(client, database) == 1
    assert len(client.list()) == 1


def test_a_tick_that_was_set_back_by_hand_starts_no_second_agent(client: Client, database: Database) -> None:
    client.schedule("often", "* * * * *", "echo", "hello")
    tick = make_due(database, "often")
    fire(client, database)
    with database.transaction() as tx:
        tx.execute(text("UPDATE schedules SET next_at = :tick"), {"tick": tick})
    assert fire(client, database) == 1
    assert len(client.list()) == 1
    assert client.schedules()[0]["next_at"] > tick


def test_a_program_that_is_gone_fails_its_agent_and_shows_in_the_history(client: Client, database: Database) -> None:
    client.schedule("often", "* * * * *", "ecko", "hello")
    tell(database, "echo")
    make_due(database, "often")
    fire(client, database)
    (run,) = client.schedule_history("often")
    assert run["state"] == "failed"
    assert "unknown program 'ecko'; did you mean 'echo'?" in run["error"]


def test_a_full_queue_puts_the_tick_off_and_loses_it_not(client: Client, database: Database) -> None:
    client.schedule("often", "* * * * *", "echo", "hello")
    make_due(database, "often")
    full = client.settings.limits.model_copy(update={"queued_agents": 0})
    assert fire_due(database, client._parts.dispatch, full) == 0
    assert client.list() == []
    assert fire(client, database) == 1


def test_a_schedule_whose_zone_is_gone_is_put_off_and_holds_up_no_other(client: Client, database: Database) -> None:
    client.schedule("broken", "* * * * *", "echo", "broken")
    client.schedule("good", "* * * * *", "echo", "good")
    with database.transaction() as tx:
        tx.execute(text("UPDATE schedules SET timezone = 'Mars/Olympus' WHERE name = 'broken'"))
    make_due(database, "broken", ago="1 min")
    make_due(database, "good")
    fire(client, database)
    assert [agent["task"] for agent in client.list()] == ["good"]


def test_run_now_starts_an_agent_besides_the_ticks(client: Client) -> None:
    before = client.schedule("yearly", "0 0 1 1 *", "echo", "hello")["next_at"]
    agent = client.run_now("yearly")
    (run,) = client.schedule_history("yearly")
    assert (str(run["agent_id"]), run["manual"]) == (agent, True)
    assert client.schedules()[0]["next_at"] == before


def test_a_removed_schedule_fires_no_more(client: Client, database: Database) -> None:
    client.schedule("often", "* * * * *", "echo", "hello")
    make_due(database, "often")
    client.unschedule("often")
    assert fire(client, database) == 0
    assert client.schedules() == []


def test_a_schedule_that_is_removed_while_it_is_run_by_hand_ran_once_more(client: Client, database: Database) -> None:
    client.schedule("often", "* * * * *", "echo", "hello")
    removals, removed = iter([lambda: client.unschedule("often")]), []

    def remove(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "FROM schedules WHERE name" in statement:
            removed.extend(waiting(database, one) for one in removals)

    event.listen(client._parts.database.engine, "after_cursor_execute", remove)
    agent = client.run_now("often")
    removed[0].result()
    assert [str(row["id"]) for row in client.list()] == [agent]
    assert client.schedules() == []


def test_a_taken_name_is_refused_unless_it_is_to_be_replaced(client: Client) -> None:
    client.schedule("often", "* * * * *", "echo", "hello")
    agent = client.run_now("often")
    with pytest.raises(InvalidArgument, match="taken"):
        client.schedule("often", "* * * * *", "echo", "hello")
    client.schedule("often", "0 0 1 1 *", "echo", "other", replace=True)
    (listed,) = client.schedules()
    assert (listed["cron"], listed["task"], str(listed["last_agent"])) == ("0 0 1 1 *", "other", agent)


def test_an_unknown_schedule_is_named(client: Client) -> None:
    for call in (client.unschedule, client.run_now, client.schedule_history):
        with pytest.raises(NotFound, match="no schedule 'nightly'"):
            call("nightly")


def test_an_unknown_program_is_refused(client: Client, database: Database) -> None:
    tell(database, "echo")
    with pytest.raises(UnknownProgram, match="did you mean 'echo'"):
        client.schedule("often", "* * * * *", "ecko", "hello")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"name": ""}, InvalidArgument),
        ({"name": "x" * 101}, InvalidArgument),
        ({"name": "a\x00b"}, InvalidArgument),
        ({"name": None}, InvalidArgument),
        ({"cron": "* * * *"}, InvalidArgument),
        ({"timezone": "Mars/Olympus"}, InvalidArgument),
        ({"priority": 10}, InvalidArgument),
        ({"task": " "}, InvalidArgument),
        ({"task": {1, 2}}, NotJson),
    ],
)
def test_what_does_not_fit_is_refused(client: Client, change: dict[str, object], error: type[Exception]) -> None:
    good = {"name": "often", "cron": "* * * * *", "program": "echo", "task": "hello"}
    with pytest.raises(error):
        client.schedule(**(good | change))
    assert client.schedules() == []
