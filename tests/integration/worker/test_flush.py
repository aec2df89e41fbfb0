"""What follows a result is rung while the disk writes; a result that a crash of Postgres undid meanwhile is written again."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import text

from aios.db import settlement
from aios.errors import DatabaseUnavailable
from aios.kernel.plan import ToolInfo
from aios.kernel.ports import Outcome
from aios.kernel.program import program
from tests.integration.worker.world import World

CALLS = []


@program(tools=["plain"])
async def adding(agent, task):
    return [await agent.tool.call("plain", x=n) for n in range(task)]


class Tool:
    def perform(self, call):
        CALLS.append(call.payload["arguments"]["x"])
        return Outcome(result=CALLS[-1])

    def cancel(self, syscall):
        pass


@pytest.fixture
def world(database_url, redis_url):
    CALLS.clear()
    tools = {"plain": ToolInfo("plain")}
    world = World(database_url, redis_url, programs={"adding": adding}, executors={"tool": Tool()}, tools=tools)
    yield world
    world.close()


@pytest.mark.parametrize(("effect", "order"), [(lambda _: 1, ["cached", "rung"]), (None, ["rung", "cached"])])
def test_what_an_effect_leaves_in_a_cache_is_there_before_the_agent_goes_on(world, monkeypatch, effect, order):
    happened = []
    cached = Outcome(result=1, effect=effect, after=lambda: happened.append("cached"))
    monkeypatch.setattr(Tool, "perform", lambda *_: cached)
    agent = world.client.submit("adding", 1)
    ring = world.dispatch.ring

    def rung(**given):
        if any(bell.id == str(agent) for bell in given.get("add", ())):
            happened.append("rung")
        return ring(**given)

    monkeypatch.setattr(world.dispatch, "ring", rung)
    world.run()
    assert happened == order
    assert world.client.result(agent, timeout=5).value == [1]


def undo(tx, agent):
    """Leave the agent as it was before its last result: what a crash of Postgres does to a commit that was not flushed."""
    last = "(SELECT id FROM syscalls WHERE agent_id = :id ORDER BY finished_at DESC LIMIT 1)"
    pending = f"UPDATE requests SET pending = 1 WHERE id = (SELECT request_id FROM syscalls WHERE id = {last})"
    tx.execute(text(pending), {"id": agent})
    tx.execute(text(f"UPDATE syscalls SET state = 'running', result = NULL WHERE id = {last}"), {"id": agent})
    waiting = "UPDATE agents SET state = 'waiting', runnable = false, wakes = wakes - 1 WHERE id = :id"
    tx.execute(text(waiting), {"id": agent})


def test_a_result_that_postgres_lost_is_written_again_and_not_made_again(world, monkeypatch):
    agent = world.client.submit("adding", 3)
    flush, crashes = settlement.flush, []

    def crash(tx):
        if len(crashes) < 2:
            crashes.append(tx)
            undo(tx, agent)
            raise DatabaseUnavailable("here", "it crashed")
        flush(tx)

    monkeypatch.setattr(settlement, "flush", crash)
    world.run()
    assert len(crashes) == 2
    assert world.client.result(agent, timeout=5).value == [0, 1, 2] == CALLS


def test_a_flush_by_a_server_that_was_started_since_proves_nothing(world, monkeypatch):
    agent = world.client.submit("adding", 3)
    flush, crashes = world.flusher.flush, []

    def restarted():
        if world.flusher._waiting and len(crashes) < 2:
            crashes.append(1)
            with world.database.transaction() as tx:
                undo(tx, agent)
            world.database.close()
        flush()

    monkeypatch.setattr(world.flusher, "flush", restarted)
    world.run()
    assert world.client.result(agent, timeout=5).value == [0, 1, 2] == CALLS


def test_what_follows_a_result_waits_for_no_disk_and_its_claim_is_kept_until_it_is_there(world):
    agent = world.client.submit("adding", 1)
    world.flusher.flush = lambda: None
    world.run()
    assert world.client.result(agent, timeout=5).value == [0]
    world.incarnation.beat()
    assert (len(world.incarnation._tokens), world.incarnation.held()) == (1, [])
    type(world.flusher).flush(world.flusher)
    assert world.incarnation._tokens == {}


@pytest.mark.parametrize("seconds", [0.0, 0.3])
def test_a_flusher_that_is_stopped_flushes_what_is_left(world, seconds):
    agent = world.client.submit("adding", 3)
    world.flusher.flush = lambda: None
    world.run()
    del world.flusher.flush
    world.flusher.start()
    time.sleep(seconds)
    world.flusher.stop()
    assert world.incarnation._tokens == {}
    assert world.client.result(agent, timeout=5).value == [0, 1, 2]


def test_a_flush_that_raises_whatever_it_may_loses_no_result_and_flushing_goes_on(world, monkeypatch):
    agent = world.client.submit("adding", 2)
    flush, raised = settlement.flush, []

    def broken(tx):
        if not raised:
            raised.append(tx)
            undo(tx, agent)
            raise RuntimeError("nobody thought of this")
        flush(tx)

    monkeypatch.setattr(settlement, "flush", broken)
    world.run()
    assert world.client.result(agent, timeout=5).value == [0, 1] == CALLS
    assert (len(raised), world.incarnation._tokens) == (1, {})


def test_a_flush_takes_along_what_was_committed_without_one(world):
    world.client.submit("adding", 1)
    with world.database.transaction(durable=False) as tx:
        tx.execute(text("UPDATE agents SET steps = steps + 1"))
    with world.database.statement() as tx:
        written = tx.execute(text("SELECT pg_current_wal_insert_lsn()")).scalar()
        settlement.flush(tx)
        on_disk = text("SELECT pg_current_wal_flush_lsn() >= CAST(:written AS pg_lsn)")
        assert tx.execute(on_disk, {"written": written}).scalar()
