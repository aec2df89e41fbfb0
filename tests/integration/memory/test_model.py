"""Notes and recalls with the real small model and real embeddings: its answers vary, what comes of them does not."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import text

from aios.kernel.program import program
from aios.kernel.recall import Recall
from aios.llm.asides import Asides
from aios.llm.counter import Counter
from aios.llm.executor import LLMExecutor
from aios.memory.executor import MemoryExecutor
from aios.memory.minilm import MiniLM
from aios.settings import LLMSettings
from aios.testing import FakeSink, FakeToolBox
from tests.integration.llm.conftest import running
from tests.integration.worker.world import World


@pytest.fixture(scope="module")
def engine():
    with running("--backend", "llama", "--slots", "1", "--context", "2048") as started:
        yield started


@pytest.fixture
def world(database_url, redis_url, engine):
    made = []

    def make(function):
        llm = LLMExecutor(engine.driver(), sink=FakeSink(), toolbox=FakeToolBox({}), settings=LLMSettings())
        counter = Counter(engine.driver)
        programs = {"p": program(name="p")(function)}
        one = World(database_url, redis_url, programs=programs, executors={"llm": Asides(llm)})
        one.executors["memory"] = MemoryExecutor(MiniLM(), database=one.database, count=counter.count)
        one.counter = counter
        made.append((one, llm, counter))
        return one

    yield make
    for one, llm, counter in made:
        llm.close()
        counter.close()
        one.close()


def run(world):
    agent = world.client.submit("p", task="go")
    deadline = time.monotonic() + 90
    while not (result := world.client.result(agent, timeout=0)).ended and time.monotonic() < deadline:
        world.run()
    assert result.state == "done", result
    return result.value


def test_a_small_models_answer_refines_a_note_or_is_recorded_as_unusable(world):
    async def p(agent, task):
        await agent.memory.note("Karin moved from Oslo to Lisbon in April because of her new job.")

    one = world(p)
    run(one)
    with one.database.transaction() as tx:
        note = tx.execute(text("SELECT analysis, keywords, context FROM memories WHERE analysis IS NOT NULL")).one()
        calls = tx.execute(text("SELECT op, state, result FROM syscalls ORDER BY id")).all()
    print(note, calls)
    assert [call.op for call in calls] == ["add", "chat", "analyse", "chat", "evolve"]
    assert {call.state for call in calls} == {"done"}
    if note.analysis["state"] == "done":
        assert note.keywords or note.context
    else:
        assert note.analysis["reason"]
    assert calls[3].result["finish_reason"] == "skipped"  # it has no neighbour


def test_a_recalls_budget_is_counted_by_the_cores_own_tokenizer(world, engine):
    facts = ["The spare key lies under the blue flower pot.", "The key of the shed hangs behind the kitchen door."]

    async def p(agent, task):
        for fact in facts:
            await agent.memory.add(fact)
        await agent.llm.chat("Where is the key?", recall=Recall(k=5, tokens=room), max_tokens=4)

    lines = [f"- {fact}" for fact in facts]
    exact = [len(engine.http.post("/tokenize", json={"inputs": line}).json()) for line in lines]
    one = world(p)
    margin = one.counter.count(lines[0], "") - exact[0]  # for what a core may put round a text
    assert 0 <= margin <= 8
    room = max(exact) + margin
    run(one)
    with one.database.transaction() as tx:
        (recalled,) = tx.execute(text("SELECT result FROM syscalls WHERE op = 'recall'")).scalars()
    assert len(recalled) == 1
    assert recalled[0]["content"] in facts
