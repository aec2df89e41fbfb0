"""A program that waits here goes on where it was; one that was driven elsewhere meanwhile is replayed."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import text

from aios.db import agents, journal
from aios.kernel.plan import ToolInfo
from aios.kernel.ports import Outcome
from aios.kernel.program import program
from tests.integration.worker.world import World

STARTS = []
ENDS = []


@program(tools=["plain"])
async def counting(agent, task):
    STARTS.append(agent.id)
    try:
        return [(await agent.tool.call("plain", x=n))["x"] for n in range(task)]
    finally:
        ENDS.append(agent.id)


class Tool:
    def perform(self, call):
        return Outcome(result=call.payload["arguments"])

    def cancel(self, syscall):
        pass


@pytest.fixture
def world(database_url, redis_url):
    STARTS.clear()
    ENDS.clear()
    world = World(
        database_url,
        redis_url,
        programs={"counting": counting},
        executors={"tool": Tool()},
        tools={"plain": ToolInfo("plain")},
    )
    yield world
    world.close()


def test_an_agent_is_replayed_once_and_goes_on_from_then(world):
    agent = world.client.submit("counting", 6)
    world.run()
    assert world.client.get(agent)["state"] == "done"
    assert len(STARTS) == 2  # the first drive is dropped, so that a program which cannot be replayed shows it at once
    assert len(ENDS) == 2


def test_a_program_driven_elsewhere_meanwhile_is_replayed(world):
    agent = world.client.submit("counting", 6)
    for _ in range(6):
        world.answer(world.recorder.bells.pop())
    kept = world.drive
    world.born()
    for _ in range(3):
        world.answer(world.recorder.bells.pop())
    world.drive, other = kept, world.drive
    world.run()
    other.live.close()
    assert world.client.result(agent, timeout=5).value == list(range(6))
    assert len(STARTS) == len(ENDS) == 4  # twice here, once there, and again here


def test_a_drive_that_was_lost_with_postgres_is_done_again(world):
    agent = world.client.submit("counting", 4)
    while len(STARTS) < 2:
        world.answer(world.recorder.bells.pop())
    with world.database.transaction() as tx:  # as a crash of Postgres and the next heartbeat leave it
        tx.execute(
            text("DELETE FROM requests WHERE id = (SELECT max(id::text)::uuid FROM requests WHERE agent_id = :id)"),
            {"id": agent},
        )
        tx.execute(
            text("UPDATE agents SET state = 'queued', runnable = true, steps = steps - 1 WHERE id = :id"), {"id": agent}
        )
    world.run()
    assert world.client.result(agent, timeout=5).value == list(range(4))


def test_a_claim_brings_the_answer_that_a_kept_program_waits_for(world):
    agent, awaited = UUID(world.client.submit("counting", 4)), ""
    while not (awaited and world.recorder.bells[-1].pool == "agent"):  # it was answered, and is to be driven
        world.answer(world.recorder.bells.pop())
        awaited = world.drive.live.awaits(agent)
    with world.database.transaction() as tx:
        taken = agents.claim(tx, agent, taker=world.drive.taker(), awaits=awaited)
        entry = journal.load(tx, agent, generation=0)[awaited]
        tx.rollback()
    assert (taken.seq, list(taken.results), taken.context) == (awaited, entry.results, entry.context)
    assert entry.results
    world.run()
    assert world.client.result(str(agent), timeout=5).value == list(range(4))


def test_nothing_is_kept_beyond_the_limit(world):
    world.drive.live._limit = 1
    submitted = [world.client.submit("counting", 4) for _ in range(3)]
    world.run()
    assert [world.client.result(agent, timeout=5).value for agent in submitted] == [list(range(4))] * 3
    assert len(world.drive.live._kept) <= 1
    assert len(STARTS) == len(ENDS) > 6
