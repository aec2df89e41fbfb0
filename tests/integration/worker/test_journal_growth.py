"""The journal of a long talk: every text is stored once, and each turn writes as much as the first."""

from __future__ import annotations

import random
import string

import pytest

from aios.kernel.chat import Usage
from aios.kernel.ports import Outcome
from aios.kernel.program import program
from tests.integration.worker.world import World

TURNS, BYTES = 100, 2048


@program
async def talk(agent, task):
    """Ask again and again with the whole conversation so far; half of each turn's text is the question's."""
    noise = random.Random(1)
    messages = []
    for _ in range(task):
        messages.append({"role": "user", "content": text(noise)})
        reply = await agent.llm.chat(messages)
        messages.append(reply.message)
    return len(messages)


def text(noise):
    """Text that does not compress."""
    return "".join(noise.choices(string.ascii_letters + string.digits + "-_", k=BYTES // 2))


class Replies:
    def __init__(self):
        self.noise = random.Random(2)
        self.prompts = []

    def perform(self, call):
        self.prompts.append(len(call.messages))
        message = {"role": "assistant", "content": text(self.noise)}
        return Outcome(result={"finish_reason": "stop"}, message=message, usage=Usage(1, 1))

    def cancel(self, syscall):
        pass


@pytest.fixture
def world(database_url, redis_url):
    made = World(database_url, redis_url, programs={"talk": talk}, executors={"llm": Replies()})
    yield made
    made.close()


def size(world):
    """Bytes of all tables with indexes and TOAST, dead rows swept."""
    with world.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM FULL agents, requests, syscalls, contexts")
        tables = "'agents', 'requests', 'syscalls', 'contexts'"
        return connection.exec_driver_sql(
            f"SELECT sum(pg_total_relation_size(t)) FROM unnest(ARRAY[{tables}]) t"
        ).scalar()


def test_a_talk_of_100_turns_takes_less_than_twice_its_text_and_each_turn_writes_as_much_as_the_first(world):
    world.client.submit("talk", 1)
    world.run()
    world.executors["llm"].prompts.clear()
    before = size(world)  # the first row of a table and of an index takes a whole page
    agent = world.client.submit("talk", TURNS)
    world.run()
    assert world.client.result(agent, timeout=0).value == 2 * TURNS
    assert world.executors["llm"].prompts == list(range(1, 2 * TURNS, 2)), "a model did not see the whole talk"
    stored = size(world) - before
    assert stored < 2 * TURNS * BYTES, f"{stored / (TURNS * BYTES):.2f} times the text"
    with world.database.transaction() as tx:
        deltas = tx.exec_driver_sql("SELECT length(messages::text) FROM contexts ORDER BY length").scalars().all()
    assert len(deltas) == 2 * TURNS + 1, "the first question is shared with the other agent"
    assert max(deltas) < 1.2 * min(deltas), "a later turn's delta is longer"


def test_every_message_of_a_long_talk_is_under_2_kb(world):
    world.client.submit("talk", 10)
    sizes = []
    publish = world.recorder.publish
    world.recorder.publish = lambda bells: (sizes.extend(len(bell.dump()) for bell in bells), publish(bells))
    world.run()
    assert sizes
    assert max(sizes) < 2048


def test_two_agents_that_say_the_same_share_their_contexts(world):
    world.client.submit("talk", 1)
    world.client.submit("talk", 1)
    world.run()
    with world.database.transaction() as tx:
        prompts = tx.exec_driver_sql("SELECT count(*) FROM contexts WHERE parent IS NULL").scalar()
    assert prompts == 1
