"""`play` gives what the real kernel gives: the same program on both, over Postgres, has one result and one journal."""

from __future__ import annotations

import json
import re
from uuid import UUID

import pytest

from aios import ToolCall, program
from aios.db import journal
from aios.errors import AiosError, ChildFailed
from aios.kernel.recall import AutoMemory
from aios.llm.executor import LLMExecutor
from aios.memory.executor import MemoryExecutor
from aios.memory.hashing import Hashing
from aios.settings import LLMSettings
from aios.storage.executor import StorageExecutor
from aios.testing import FakeDriver, FakeSink, play
from aios.testing.tools import registry_of
from aios.tools.executor import Surroundings, ToolExecutor
from tests.integration.worker.world import World

ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


async def caught(request):
    try:
        return await request
    except AiosError as error:
        return str(error)


@program(tools=["add", "calculator", "files.write", "files.read"], memory=AutoMemory())
async def busy(agent, task):
    first, second = await agent.gather(agent.llm.chat("one"), agent.llm.complete("two"))
    found = [first.text, first.usage.completion_tokens > 0, second.text]
    reply, results = await agent.llm.act("sum", tools=["add", "files.write"])
    found += [reply.text, [call.name for call in reply.tool_calls], [entry.get("result") for entry in results]]
    found += [await agent.tool.call("add", a=1, b=2), await agent.tool.call("calculator", expression="6 * 7")]
    wrong = (agent.tool.call("add", a="x"), agent.tool.call("text"), agent.storage.read("none"), agent.memory.get("x"))
    found += [await caught(request) for request in (*wrong, agent.spawn("nobody", 1), agent.tool.call("add", a={1}))]
    info = await agent.storage.write("plan.md", "one\n")
    found += [info.version, await agent.storage.read("plan.md"), await caught(agent.storage.create("plan.md"))]
    found += [await agent.tool.call("files.read", path="plan.md")]
    note = await agent.memory.add("The door code is 4711.", tags=["home"])
    found += [(await agent.memory.search("door code", k=1))[0].content, (await agent.memory.get(note)).reads]
    found += [await agent.memory.write("n", {"x": 1}), await agent.memory.read("n"), await agent.step(sorted, [2, 1])]
    await agent.sleep(0)
    children = [await agent.spawn(name, 3) for name in ("fine", "fails")]
    return [*found, await agent.wait(children[0]), await caught(agent.wait(children[1])), await agent.patched("new")]


@program
async def fine(agent, task):
    if task < 5:
        agent.continue_as_new(task + 2)
    return task


@program
async def fails(agent, task):
    raise ChildFailed("x", "failed", "y")


def said(prompt):
    if prompt.tools:
        return ToolCall("add", {"a": 1, "b": "x"}) if len(prompt.messages) == 1 else ToolCall("add", {"a": 1, "b": 1})
    return f"said to {prompt.text or prompt.messages[-1]['content']}"


@pytest.fixture
def world(database_url, redis_url):
    registry = registry_of([add])
    executors = {"memory": MemoryExecutor(Hashing()), "storage": StorageExecutor()}
    model = LLMExecutor(FakeDriver(said), sink=FakeSink(), toolbox=registry, settings=LLMSettings())
    programs = {one.name: one for one in (busy, fine, fails)}
    made = World(database_url, redis_url, programs=programs, executors=executors, tools=registry.infos())
    tools = ToolExecutor(registry, Surroundings(dict(executors), made.database))
    made.executors |= {"llm": model, "tool": tools}
    yield made
    made.close()
    model.close()


def nameless(value):
    """The value as text, without ids of agents, notes and syscalls, and with the keys of objects in one order."""
    return ID.sub("ID", json.dumps(value, sort_keys=True))


def test_a_program_that_does_a_bit_of_everything_ends_alike_on_both(world):
    agent = world.client.submit("busy", "task")
    world.run()
    played = play(busy, "task", llm=said, tools=[add], programs=[fine, fails])
    assert nameless(played.result) == nameless(world.client.result(agent, timeout=5).unwrap())
    with world.database.transaction() as tx:
        kernel = journal.load(tx, UUID(agent), generation=0)
    told = [(line.seq, line.name, nameless(line.error and line.error.args)) for line in played.journal]
    assert told == [(seq, one.label.split()[0], nameless(one.error and one.error.args)) for seq, one in kernel.items()]
