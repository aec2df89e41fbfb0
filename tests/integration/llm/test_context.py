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
from tests.integration.llm.conftest import closing, running
from tests.integration.worker.world import World

FACTS = {
    "My sister Karin moved to Lisbon last spring.": (
        "In which city does my sibling live now?",
        "Where has Karin gone?",
    ),
    "The spare key lies under the blue flower pot.": (
        "Where do I find the second key?",
        "What is the key hidden under?",
    ),
    "I am allergic to peanuts.": ("Which food must I avoid?", "What makes me ill when I eat it?"),
    "The wifi password is marmalade-42.": (
        "How do I get on the internet here?",
        "Code of the wireless network?",
    ),
    "Our dog is named Bertil and he is three years old.": ("How old is my pet?", "What do we call the dog?"),
    "The dentist appointment is on the ninth of March.": (
        "When do I see the doctor for my teeth?",
        "Date of my dentist visit?",
    ),
    "Grandmother's bread recipe needs rye flour and buttermilk.": (
        "What goes into granny's loaf?",
        "Ingredients of the bread?",
    ),
    "The car makes a rattling noise when it brakes.": (
        "What is wrong with my vehicle?",
        "When does the car sound strange?",
    ),
    "I owe Henrik two hundred crowns for the concert.": (
        "To whom do I have a debt?",
        "How much money does Henrik get?",
    ),
    "The attic window has to be repaired before winter.": (
        "What needs mending in the house?",
        "What must be fixed upstairs?",
    ),
    "My favourite composer is Sibelius.": ("Whose music do I like best?", "Which composer do I love?"),
    "The meeting with the bank was moved to Thursday.": (
        "On what weekday do I talk to the bank?",
        "New day of the bank meeting?",
    ),
    "We planted eleven apple trees behind the barn.": (
        "How many fruit trees are there?",
        "What grows behind the barn?",
    ),
    "The boat is called Albatross and lies in Visby harbour.": (
        "Where is my ship moored?",
        "What is the name of the boat?",
    ),
    "Aunt Greta collects old stamps from Brazil.": ("Who has a stamp collection?", "What is my aunt's hobby?"),
    "The train to Oslo leaves at seven in the morning.": (
        "When do I depart for Norway by rail?",
        "At what hour goes the train?",
    ),
    "My shoe size is forty-four.": ("How large are my feet?", "Which size of shoes shall I order?"),
    "The neighbours complained about the drums at night.": (
        "Who was angry about noise?",
        "What disturbed the people next door?",
    ),
    "I studied chemistry in Uppsala for two years.": (
        "What did I learn at university?",
        "Where did I go to university?",
    ),
    "The red folder contains the insurance papers.": (
        "Where are the documents for the insurance?",
        "What is in the red folder?",
    ),
}
TOPICS = ("the weather", "lunch", "a walk", "the news", "a film", "the garden", "work", "music", "a book", "the sea")


def long_talk(turns):
    facts = list(FACTS)
    messages = [{"role": "system", "content": "You are a patient assistant."}]
    for turn in range(turns):
        said = (
            facts[turn // 2]
            if turn % 2 and turn // 2 < len(facts)
            else f"Let us chat about {TOPICS[turn % 10]}, {turn}."
        )
        messages += [
            {"role": "user", "content": said},
            {"role": "assistant", "content": f"Fine, we can do that ({turn})."},
        ]
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
        messages.append(
            {"role": "user", "content": f"Turn {turn}: tell me something about {TOPICS[turn % 10]} please."}
        )
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
    questions = [q for asked in FACTS.values() for q in asked]
    agent = one.client.submit("recalling", questions)
    one.run()
    assert one.client.result(agent, timeout=0).unwrap()[0] > 80
    found = rows(one, "SELECT payload->>'query', result FROM syscalls WHERE pool = 'memory' AND op = 'recall'")
    recalled = {query: [note["content"] for note in notes] for query, notes in found}
    expected = {q: f"user: {fact}" for fact, asked in FACTS.items() for q in asked}
    missed = [q for q in questions if expected[q] not in recalled[q]]
    assert len(missed) <= 0.05 * len(questions), missed


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
    assert result["context"] == {"strategy": "drop_oldest", "messages": dropped, "summary": ""}


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
