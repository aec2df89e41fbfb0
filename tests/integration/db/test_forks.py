"""Forks share a journal: nothing of it is done again, nothing of it is copied, and nothing happens to it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from aios.db import retention
from aios.errors import AiosError, InvalidArgument, NotFound
from aios.kernel.chat import Usage
from aios.kernel.ports import Outcome
from aios.kernel.program import program
from tests.blocking import waiting
from tests.integration.worker.world import World


class Model:
    """Says how often it was asked."""

    def __init__(self):
        self.asked = []

    def perform(self, call):
        self.asked.append(call.messages[-1]["content"])
        message = {"role": "assistant", "content": f"answer {len(self.asked)}"}
        return Outcome(result={"finish_reason": "stop"}, message=message, usage=Usage(30, 10), core="m")

    def cancel(self, syscall):
        pass


@program
async def chain(agent, task):
    said = []
    for turn in range(task):
        reply = await agent.llm.chat([{"role": "user", "content": f"{turn} after {said[-1:]}"}])
        said.append(reply.text)
    return said


@program
async def mixed(agent, task):
    drawn = await agent.random()
    both = await agent.gather(agent.llm.chat("left"), agent.llm.chat("right"))
    child = await agent.spawn("chain", 1)
    got = await agent.wait(child)
    last = await agent.llm.chat("last")
    return [drawn, [reply.text for reply in both], child, got, last.text, task]


@program
async def renewed(agent, task):
    reply = await agent.llm.chat(f"round {task}")
    if task < 2:
        agent.continue_as_new(task + 1)
    more = await agent.llm.chat("end")
    return [task, reply.text, more.text]


@pytest.fixture
def world(database_url, redis_url):
    made = World(
        database_url,
        redis_url,
        programs={p.name: p for p in (chain, mixed, renewed)},
        executors={"llm": Model()},
    )
    yield made
    made.close()


def ended(world, agent):
    world.run()
    return world.client.result(agent, timeout=0).unwrap()


def snapshot(world, agent):
    """Everything that stands of an agent."""
    with world.database.statement() as tx:
        return [
            [tuple(row) for row in tx.exec_driver_sql(sql, {"a": agent}).all()]
            for sql in (
                "SELECT a::text FROM agents a WHERE id = %(a)s",
                "SELECT r::text FROM requests r WHERE agent_id = %(a)s ORDER BY id",
                "SELECT s::text FROM syscalls s WHERE agent_id = %(a)s ORDER BY id",
            )
        ]


def size(world):
    with world.database.statement() as tx:
        return tx.exec_driver_sql(
            "SELECT (SELECT sum(pg_column_size(a.*)) FROM agents a) + (SELECT sum(pg_column_size(r.*)) FROM requests r)"
            " + (SELECT sum(pg_column_size(s.*)) FROM syscalls s) + (SELECT sum(pg_column_size(c.*)) FROM contexts c)"
        ).scalar_one()


def test_a_fork_goes_on_without_asking_again_and_the_parent_is_untouched(world):
    model = world.executors["llm"]
    parent = world.client.submit("chain", 12)
    before = ended(world, parent)
    untouched, bytes_before = snapshot(world, parent), size(world)
    fork = world.client.fork(parent, at=10)
    assert size(world) - bytes_before < 10_000
    assert model.asked[12:] == []
    after = ended(world, fork)
    assert after[:10] == before[:10]
    assert after[10:] == ["answer 13", "answer 14"]
    assert len(model.asked) == 14
    assert snapshot(world, parent) == untouched


def test_a_fork_of_a_long_journal_adds_next_to_nothing(world):
    parent = world.client.submit("chain", 40)
    ended(world, parent)
    before = size(world)
    fork = world.client.fork(parent, at=40)
    assert ended(world, fork) == ended(world, parent)
    assert size(world) - before < 2_000


def test_an_edited_answer_is_what_the_fork_goes_on_from(world):
    parent = world.client.submit("chain", 3)
    ended(world, parent)
    fork = world.client.fork(parent, at=2, edit="something else")
    assert ended(world, fork) == ["answer 1", "something else", "answer 4"]
    assert world.executors["llm"].asked[-1] == "2 after ['something else']"
    assert ended(world, parent) == ["answer 1", "answer 2", "answer 3"]


def test_what_a_gather_a_child_and_chance_gave_is_shared(world):
    parent = world.client.submit("mixed", {"a": 1})
    before = ended(world, parent)
    asked = len(world.executors["llm"].asked)
    fork = world.client.fork(parent, at=4)
    after = ended(world, fork)
    assert after[:4] == before[:4]
    assert len(world.executors["llm"].asked) == asked + 1
    with pytest.raises(InvalidArgument, match="gather"):
        world.client.fork(parent, at=2, edit="x")


def test_a_fork_of_a_fork_shares_both(world):
    first = world.client.submit("chain", 4)
    ended(world, first)
    second = world.client.fork(first, at=2, edit="second")
    ended(world, second)
    third = world.client.fork(second, at=3)
    assert ended(world, third) == ["answer 1", "second", "answer 5", "answer 7"]
    family = {str(row["id"]): row for row in world.client.family(third)}
    assert set(family) == {first, second, third}
    assert str(family[third]["forked_from"]) == second


def test_a_fork_outlives_the_pruning_of_what_it_was_forked_from(world):
    parent = world.client.submit("chain", 3)
    ended(world, parent)
    fork = world.client.fork(parent, at=3)
    world.client.pause(fork)
    with world.database.transaction() as tx:
        tx.exec_driver_sql(
            "UPDATE agents SET finished_at = finished_at - interval '2 days' WHERE finished_at IS NOT NULL"
        )
    assert world.client.prune(older_than=timedelta(days=1)).agents == 0
    world.client.resume(fork)
    assert ended(world, fork) == ["answer 1", "answer 2", "answer 3"]
    with world.database.transaction() as tx:
        tx.exec_driver_sql("UPDATE agents SET finished_at = finished_at - interval '2 days'")
    assert world.client.prune(older_than=timedelta(days=1)).agents == 2


def test_only_what_is_answered_can_be_shared_and_a_running_parent_goes_on(world):
    parent = world.client.submit("chain", 3)
    world.answer(world.recorder.bells.pop())
    with pytest.raises(InvalidArgument, match="request 1 has no answer yet"):
        world.client.fork(parent, at=1)
    fork = world.client.fork(parent, at=0, edit=1)
    assert len(ended(world, fork)) == 1
    assert len(ended(world, parent)) == 3
    with pytest.raises(NotFound):
        world.client.fork("01890000-0000-7000-8000-000000000000", at=0)


def test_an_agent_that_began_anew_is_forked_in_its_last_generation(world):
    parent = world.client.submit("renewed", 0)
    assert ended(world, parent)[0] == 2
    fork = world.client.fork(parent, at=1)
    assert ended(world, fork)[:2] == ended(world, parent)[:2]
    assert len(world.executors["llm"].asked) == 5


def test_a_changed_program_is_told_not_repeated(world):
    parent = world.client.submit("chain", 2)
    ended(world, parent)
    with world.database.transaction() as tx:
        tx.exec_driver_sql("UPDATE requests SET digest = 'x' WHERE seq = '2'")
    fork = world.client.fork(parent, at=2)
    with pytest.raises(AiosError, match="differs from the journal"):
        ended(world, fork)


def test_the_journal_of_a_fork_shows_what_it_shares_and_where_it_parts(world):
    parent = world.client.submit("chain", 3)
    ended(world, parent)
    fork = world.client.fork(parent, at=2, edit="other")
    ended(world, fork)
    owners = [(call["seq"], str(call["agent_id"])) for call in world.client.journal(fork)]
    assert owners == [("1", parent), ("3", fork)]
    assert [found.side.value for found in world.client.compare(parent, fork)] == ["same", "changed", "changed"]


def test_an_agent_that_is_pruned_while_it_is_forked_is_not_found(world):
    agent = world.client.submit("chain", 1)
    ended(world, agent)
    with world.database.transaction() as tx:
        tx.exec_driver_sql("UPDATE agents SET finished_at = finished_at - interval '1 day'")
    with world.database.transaction() as tx:
        assert retention.drop_agents(tx, before=retention.cutoff(tx, timedelta(hours=1))) == 1
        forked = waiting(world.client._parts.database, lambda: world.client.fork(agent, at=1))
    with pytest.raises(NotFound):
        forked.result()
