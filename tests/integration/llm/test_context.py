"""Conversations longer than the window, on a real engine, a real Postgres and real embeddings; workers die meanwhile."""

from __future__ import annotations

import json

import pytest

from aios.kernel.chat import Sampling
from aios.kernel.folding import PAGE_TAG
from aios.kernel.ports import Prompt
from aios.kernel.program import program
from aios.llm.executor import LLMExecutor
from aios.memory.executor import MemoryExecutor
from aios.memory.hashing import Hashing
from aios.memory.minilm import MiniLM
from aios.settings import LLMSettings
from aios.testing import FakeSink, FakeToolBox
from benchmarks import paraphrases
from tests.integration.llm.conftest import closing, running
from tests.integration.worker.world import World


def long_talk(turns):
    messages = [{"role": "system", "content": "You are a patient assistant."}]
    for turn, said in enumerate(paraphrases.talk(turns)):
        answer = f"Fine, we can do that ({turn})."
        messages += [{"role": "user", "content": said}, {"role": "assistant", "content": answer}]
    return messages


@program(context="page_out")
async def recalling(agent, questions):
    messages = long_talk(66)
    await agent.llm.chat([*messages, {"role": "user", "content": "Thank you."}], max_tokens=8)
    asked = [agent.llm.chat([*messages, {"role": "user", "content": q}], max_tokens=8) for q in questions]
    return [reply.context.messages for reply in await agent.gather(*asked)]


@program(context="page_out")
async def chatter(agent, turns):
    messages = [{"role": "system", "content": "Be brief."}]
    for turn in range(turns):
        messages.append({"role": "user", "content": f"Turn {turn}: tell me something about {turn % 10} please."})
        messages.append((await agent.llm.chat(messages, max_tokens=16)).message)
    return len(messages)


@program(context="drop_oldest")
async def forgetful(agent, task):
    reply = await agent.llm.chat([*long_talk(40), {"role": "user", "content": "And?"}], max_tokens=8)
    return reply.context.messages


@pytest.fixture(scope="module")
def small():
    """An engine with a window of 1,024 tokens, and one of 320."""
    simulated = ("--backend", "simulated", "--zero-latency")
    with running(*simulated, "--context", "1024") as large, running(*simulated, "--context", "320") as tiny:
        yield large, tiny


@pytest.fixture
def world(database_url, redis_url, small):
    made = []

    def make(engine, programs, embedder, **more):
        llm = LLMExecutor(engine.driver(), sink=FakeSink(), toolbox=FakeToolBox({}), settings=LLMSettings())
        executors = {"llm": llm, "memory": MemoryExecutor(embedder)}
        one = World(database_url, redis_url, programs={p.name: p for p in programs}, executors=executors, **more)
        made.append((one, llm))
        return one

    yield make
    for one, llm in made:
        one.close()
        llm.close()


def rows(world, sql, **values):
    with world.database.statement() as tx:
        return tx.exec_driver_sql(sql, values or None).all()


def test_paged_out_turns_are_recalled_for_paraphrased_questions(world, small):
    one = world(small[0], [recalling], MiniLM())
    expected = dict(list(paraphrases.questions().items())[::2])  # the other half: `aios bench context`
    agent = one.client.submit("recalling", list(expected))
    one.run()
    assert one.client.result(agent, timeout=0).unwrap()[0] > 80
    found = rows(one, "SELECT payload->>'query', result FROM syscalls WHERE pool = 'memory' AND op = 'recall'")
    recalled = {query: [note["content"] for note in notes] for query, notes in found}
    missed = [question for question, fact in expected.items() if f"user: {fact}" not in recalled[question]]
    assert len(missed) <= 0.05 * len(expected), missed


def test_a_conversation_of_many_windows_survives_dying_workers_and_pages_each_turn_once(world, small):
    one = world(small[1], [chatter], Hashing(), crash=0.03, seed=3)
    agent = one.client.submit("chatter", 12)
    for _ in range(100):  # what rang for a dead worker is rung again after a while
        one.run()
        if one.client.result(agent, timeout=0).ended:
            break
    assert one.client.result(agent, timeout=0).unwrap() == 25
    assert one.crashes
    pages = [content for (content,) in rows(one, "SELECT content FROM memories")]
    assert len(pages) == len(set(pages)) > 10
    (tagged,) = rows(one, "SELECT count(*) FROM memories WHERE %(tag)s = ANY(tags)", tag=PAGE_TAG)
    assert tagged[0] == len(pages)


def test_what_was_dropped_stands_in_the_journal(world, small):
    one = world(small[1], [forgetful], Hashing())
    agent = one.client.submit("forgetful", "go")
    one.run()
    dropped = one.client.result(agent, timeout=0).unwrap()
    ((result,),) = rows(one, "SELECT result FROM syscalls WHERE pool = 'llm'")
    assert result["context"] == {"strategy": "drop_oldest", "messages": dropped, "summary": "", "notes": 0}


def test_a_count_is_what_the_engine_itself_reports_and_is_asked_for_once(small):
    core = small[0].driver()
    prompt = Prompt(messages=long_talk(10), sampling=Sampling(max_tokens=4))

    async def count():
        asked = [item async for item in core.generate(prompt)]
        calls = []
        own = core._ask

        async def seen(method, path, **more):
            calls.append(path)
            return await own(method, path, **more)

        core._ask = seen
        return await core.count(prompt), asked[-1].usage.prompt_tokens, calls

    import asyncio

    counted, used, calls = asyncio.run(closing(core, count()))
    assert counted == used
    assert "/chat_tokenize" not in calls


def test_a_plain_text_and_a_prompt_with_tools_are_counted_too(small):
    import asyncio

    core = small[0].driver()
    spec = FakeToolBox({"adder": lambda a: a}).spec("adder")

    async def count():
        plain = await core.count(Prompt(text="one two three"))
        bare = await core.count(Prompt(messages=[{"role": "user", "content": "hi"}]))
        tooled = await core.count(Prompt(messages=[{"role": "user", "content": "hi"}], tools=[spec]))
        return plain, bare, tooled

    plain, bare, tooled = asyncio.run(closing(core, count()))
    assert plain >= 3
    assert tooled > bare > 0
    assert json.dumps([plain, bare, tooled])
