"""The profile `fused`: what a drive asks for alone is granted before its record, which claims it; or to nobody."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager, suppress
from uuid import uuid4

import pytest
import redis

from aios.db import journal, syscalls
from aios.db.hot import Hot
from aios.errors import BrokerUnavailable, DatabaseUnavailable, Ignored
from aios.kernel.chat import Usage
from aios.kernel.plan import ToolInfo
from aios.kernel.ports import Outcome
from aios.kernel.program import program
from aios.ready import Bell, ReadySets
from aios.worker import recovery
from tests.integration.worker.process import Process, Tool, begun, calling, counted, without
from tests.integration.worker.world import World


@pytest.fixture
def world(database_url, redis_url):
    made = World(
        database_url,
        redis_url,
        programs={"calling": calling},
        executors={"tool": Tool()},
        tools={"plain": ToolInfo("plain")},
    )
    yield made
    made.close()


def test_what_a_drive_asks_for_alone_is_granted_before_its_record_which_claims_it(world, redis_url, monkeypatch):
    claims, turns = counted(monkeypatch, syscalls, "claim"), counted(monkeypatch, world.ready, "turn")
    agent, bell = begun(world, 5)
    turns.clear()
    Process(world).answer(bell)
    assert len(claims) == 1  # the first one came with a message
    assert len(turns) == 5
    assert world.client.result(agent, timeout=5).value == [0, 1, 2, 3, 4]
    rows = world.client.journal(agent)
    assert [(row["state"], row["attempt"]) for row in rows] == [("done", 1)] * 5
    assert all(row["created_at"] <= row["queued_at"] <= row["started_at"] <= row["finished_at"] for row in rows)
    with redis.Redis.from_url(redis_url) as client:
        assert client.hkeys("aios:calls") == []
        assert b"tool.call:calling" in client.hkeys("aios:learned")


def test_it_is_rung_as_ever_where_that_is_switched_off_or_somebody_else_is_given_the_place(world, monkeypatch):
    claims = counted(monkeypatch, syscalls, "claim")
    monkeypatch.setattr(ReadySets, "turn", without("mine"))
    agent, bell = begun(world, 3)
    Process(world).answer(bell)
    assert world.client.result(agent, timeout=5).value == [0, 1, 2]
    assert len(claims) == 3
    monkeypatch.undo()
    claims, turns = counted(monkeypatch, syscalls, "claim"), counted(monkeypatch, world.ready, "turn")
    world.dispatch._crowded.add("tool:plain")
    agent, bell = begun(world, 3)
    Process(world).answer(bell)
    assert world.client.result(agent, timeout=5).value == [0, 1, 2]
    assert len(claims) == 2  # it was alone after all: the last one is asked for again
    assert len([given for given in turns if given.get("mine")]) == 1
    monkeypatch.undo()
    object.__setattr__(world.settings.worker, "at_once", False)
    world.drive.__dict__.pop("claiming")
    claims = counted(monkeypatch, syscalls, "claim")
    turns = counted(monkeypatch, world.ready, "turn")
    agent, bell = begun(world, 3)
    Process(world).answer(bell)
    assert world.client.result(agent, timeout=5).value == [0, 1, 2]
    assert len(claims) == 3
    assert not any(given.get("mine") for given in turns)


@program(tools=["plain"])
async def calling_on(agent, task):
    first = await agent.tool.call("plain", x=0)
    MEANWHILE[0](agent.id)
    return [first["x"], (await agent.tool.call("plain", x=1))["x"]]


MEANWHILE = []


@pytest.mark.parametrize("stopped", ["pause", "cancel"])
def test_a_grant_whose_agent_was_stopped_before_the_record_is_given_back(world, redis_url, stopped):
    world.drive.programs["calling"] = calling_on
    done = []
    MEANWHILE[:] = [lambda agent: done or done.append(getattr(world.client, stopped)(agent))]
    agent, bell = begun(world, 2)
    Process(world).answer(bell)
    assert world.ready.depth(["tool"])["tool"] == (0, 0)
    if stopped == "pause":
        assert [row["state"] for row in world.client.journal(agent)] == ["done", "queued"]
        world.client.resume(agent)
        world.run()
        assert world.client.result(agent, timeout=5).value == [0, 1]
    assert world.incarnation.held() == []


def test_a_grant_that_is_lost_while_its_claim_is_written_makes_no_call_and_the_syscall_waits_again(world, monkeypatch):
    """Postgres was away for longer than the grant's lease, and another worker was rung, found nothing and let it go."""
    attempts, asked = [], world.dispatch.ask
    monkeypatch.setattr(
        Tool, "perform", lambda self, call: attempts.append(call.attempt) or Outcome(result=call.payload["arguments"])
    )

    def lost(bell, *, done):
        granted = asked(bell, done=done)
        world.ready.turn(done=[(bell.key, bell.id)])
        time.sleep(world.settings.worker.grant_seconds / 2)
        return granted

    object.__setattr__(world.settings.worker, "grant_seconds", 0.02)
    monkeypatch.setattr(world.dispatch, "ask", lost)
    agent, bell = begun(world, 2)
    Process(world).answer(bell)
    assert world.client.result(agent, timeout=5).value == [0, 1]
    assert attempts == [1, 2]


def test_a_record_whose_reply_is_lost_leaves_a_claim_that_the_next_heartbeat_gives_back(world, monkeypatch):
    record, tries = journal.record, []

    def lost(tx, driven, progress, **given):
        recorded = record(tx, driven, progress, **given)
        if given["claim"] and not tries:
            tries.append(1)
            raise DatabaseUnavailable("somewhere", "the reply was lost")
        return recorded

    agent, bell = begun(world, 2)
    monkeypatch.setattr(journal, "record", lost)
    Process(world).answer(bell)
    assert tries
    assert world.ready.depth(["tool"])["tool"] == (0, 0)
    world.incarnation.beat()
    monkeypatch.setattr(recovery, "_UNHEARD_SECONDS", 0.0)
    world.run()
    assert world.client.result(agent, timeout=5).value == [0, 1]


def test_an_agent_that_is_paused_before_its_record_and_resumed_after_it_is_rung_at_once(world, monkeypatch):
    record = journal.record

    def interrupted(tx, driven, progress, *, claim, **given):
        if claim:
            world.client.pause(str(driven.id))
        recorded = record(tx, driven, progress, claim=claim, **given)
        if claim:
            world.client.resume(str(driven.id))
        return recorded

    agent, bell = begun(world, 2)
    monkeypatch.setattr(journal, "record", interrupted)
    Process(world).answer(bell)
    assert world.client.result(agent, timeout=0).value == [0, 1]


def test_a_grant_is_given_back_when_its_record_fails_for_good(world, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError

    _, bell = begun(world, 2)
    monkeypatch.setattr(journal, "record", broken)
    with pytest.raises(ZeroDivisionError):
        Process(world).answer(bell)
    assert world.ready.depth(["tool"])["tool"] == (0, 0)
    world.flusher.flush()
    assert world.incarnation._tokens == {}


def test_a_grant_whose_answer_was_lost_is_given_back_and_its_syscall_rung(world, monkeypatch):
    asked = ReadySets.turn

    def lost(self, *, mine=None, **given):
        granted = asked(self, mine=mine, **given)
        if mine:
            raise BrokerUnavailable("somewhere", "the reply was lost")
        return granted

    agent, bell = begun(world, 3)
    monkeypatch.setattr(ReadySets, "turn", lost)
    Process(world).answer(bell)
    assert world.client.result(agent, timeout=5).value == [0, 1, 2]
    assert world.ready.depth(["tool"])["tool"] == (0, 0)


def test_a_turn_that_is_sent_twice_gives_what_it_gave_before(world):
    one = Bell("tool", str(uuid4()), (("tool", "call", str(uuid4())),))
    assert world.ready.turn(mine=one).mine
    assert world.ready.turn(mine=one).mine
    assert world.ready.depth(["tool"])["tool"] == (0, 1)


@program(tools=["plain"])
async def branching(agent, task):
    async def two(first):
        return [(await agent.tool.call("plain", x=first + n))["x"] for n in range(2)]

    return await agent.gather(two(0), two(10))


def test_an_agent_that_waits_for_something_else_too_is_rung_as_ever(world, monkeypatch):
    """Another answer may wake it at any moment: its own grant must not be told as done before its drive is recorded."""
    world.drive.programs["calling"] = branching
    turns = counted(monkeypatch, world.ready, "turn")
    agent = world.client.submit("calling", 1)
    process = Process(world)
    while world.recorder.bells:
        with suppress(Ignored):
            process.answer(world.recorder.bells.pop())
    assert world.client.result(agent, timeout=5).value == [[0, 1], [10, 11]]
    asked = [given for given in turns if given.get("mine")]
    assert len(asked) <= 1  # the very last, when the other branch has ended


def test_a_claim_is_forgotten_when_its_step_cannot_even_begin(world):
    @contextmanager
    def broken(bell):
        raise ZeroDivisionError
        yield

    agent, bell = begun(world, 2)
    process = Process(world)
    process._announced = broken
    with pytest.raises(ZeroDivisionError):
        process.answer(bell)
    world.flusher.flush()
    assert world.incarnation._tokens == {}
    world.incarnation.beat()
    assert [row["state"] for row in world.client.journal(agent)] == ["done", "queued"]


def test_a_process_that_is_about_to_end_takes_nothing_more(world):
    class Stuck(Tool):
        stuck = True

    world.executors["tool"] = Stuck()
    agent, bell = begun(world, 2)
    process = Process(world)
    process.answer(bell)
    assert process.steps == []
    assert [row["state"] for row in world.client.journal(agent)] == ["done", "queued"]


@program(tools=["plain"])
async def talking(agent, task):
    messages = [{"role": "system", "content": "Be brief."}]
    for turn in range(3):
        await agent.now()  # answered at once: no syscall
        messages.append(
            {
                "role": "user",
                "name": "A",
                "content": f"{turn}: 1e16, \u00e9",
                "extra": {"bb": 1e16, "a": [-0.0, (1, 2)]},
            }
        )
        reply = await agent.llm.chat(
            messages, tools=["plain"] if turn else [], model="small" if turn == 1 else "", seed=turn
        )
        messages.append(reply.message)
    await agent.llm.complete("and so on", schema={"type": "object", "properties": {"zz": {}, "a": {}}}, temperature=0.5)


class Replies:
    def __init__(self, calls):
        self.calls = calls

    def perform(self, call):
        self.calls.append(call)
        message = {"role": "assistant", "content": "yes", "b": 1, "aa": [1.5]}
        return Outcome(result={"finish_reason": "stop", "text": ""}, message=message, usage=Usage(1, 1))

    def cancel(self, syscall):
        pass


def test_a_claim_made_by_a_record_is_given_what_a_later_claim_would_read(database_url, redis_url, monkeypatch):
    told = []
    for asks in (True, False):
        calls = []
        made = World(
            database_url, redis_url, programs={"talking": talking}, executors={"llm": Replies(calls)},
            tools={"plain": ToolInfo("plain")}, fused=True,
        )  # fmt: skip
        object.__setattr__(made.settings.worker, "at_once", asks)
        claims = counted(monkeypatch, syscalls, "claim")
        agent = made.client.submit("talking", 1, priority=3)
        made.run()
        assert made.client.result(agent, timeout=0).state == "done"
        assert len(claims) == (0 if asks else 4)
        made.close()
        monkeypatch.undo()
        told.append([as_given(call) for call in calls])
    assert told[0] == told[1]
    assert len(told[0]) == 4


def as_given(call):
    """What an executor is given, spelled out, less what is each call's own."""
    own = {"id", "agent_id", "request_id", "root_id", "token", "valid", "age_seconds"}
    return {name: json.dumps(value, default=str) for name, value in vars(call).items() if name not in own}


def test_the_record_that_claims_a_call_is_flushed_before_it_is_made_and_one_that_leaves_it_waiting_is_not(
    world, monkeypatch
):
    first, ordinary = Hot.first, []

    def seen(self, tx, values):
        ordinary.extend([values["ordinary"]] if values.get("requests") else [])
        return first(self, tx, values)

    monkeypatch.setattr(Hot, "first", seen)
    _, bell = begun(world, 3)
    assert ordinary == [True]
    Process(world).answer(bell)
    assert ordinary == [True, False, False]
