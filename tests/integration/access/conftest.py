"""A kernel with agents that reach for each other's data, and for what cannot be taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aios.errors import AiosError
from aios.kernel.plan import ToolInfo
from aios.kernel.ports import Outcome
from aios.kernel.program import program
from aios.kernel.request import Request
from aios.kernel.resources.files import FileInfo
from aios.kernel.words import Effect
from aios.memory.executor import MemoryExecutor
from aios.settings import AccessSettings
from aios.storage.executor import StorageExecutor
from aios.testing import FakeEmbedder
from tests.integration.worker.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

TOOLS = {
    "look": ToolInfo("look"),
    "send": ToolInfo("send", Effect.ONCE),
    "python.run": ToolInfo("python.run"),
}


async def tried(request):
    """What a request gives, or the name of its error."""
    try:
        return plain(await request)
    except AiosError as error:
        return type(error).__name__


def plain(value):
    """A result as JSON: of a file its version, of a list of files their paths, of tool use the tools' results."""
    match value:
        case FileInfo():
            return value.version
        case tuple():
            return value[1]
        case list():
            return [one.path if isinstance(one, FileInfo) else one for one in value]
        case _:
            return value


@program(tools=["look", "send", "python.run"])
async def does(agent, task):
    """Do what the task says: a list of steps `[resource, op, *arguments]`; gives each one's result or error's name."""
    return [await tried(step(agent, *one)) for one in task]


def step(agent, kind, *given):  # noqa: PLR0911, PLR0912  # one arm per kind of step
    """One request."""
    match kind:
        case "write":
            return agent.storage.write(*given)
        case "read":
            return agent.storage.read(*given)
        case "delete":
            return agent.storage.delete(*given)
        case "rollback":
            return agent.storage.rollback(*given)
        case "move":
            return agent.storage.move(*given)
        case "list":
            return agent.storage.list(*given)
        case "tool":
            name, arguments = given
            return agent.tool.call(name, **arguments)
        case "act":
            return agent.llm.act(given[0], tools=given[1])
        case "check":
            return agent.access.check(*given)
        case "grant":
            return agent.access.grant(*given)
        case "wait":
            return agent.wait(*given)
        case "add":
            return agent.memory.add(given[0])
        case "raw":
            return Request(*given)
        case "search":
            return Request("memory", "search", {"query": given[0], "k": 3, "tags": [], "namespace": given[1]})
        case "spawn":
            return agent.spawn("does", given[0])
        case other:
            raise ValueError(other)


@program
async def parent(agent, task):
    """Spawn a child with the task and give what it gives."""
    return await agent.wait(await agent.spawn("does", task))


class Tools:
    """An executor that notes what it was asked to do."""

    def __init__(self):
        self.calls = []

    def perform(self, call):
        if call.op == "run":
            wishes = call.earlier[call.payload["from"]]["message"].get("tool_calls") or ()
            self.calls += [(wish["function"]["name"], wish["function"]["arguments"]) for wish in wishes]
            return Outcome([{"tool": wish["function"]["name"], "result": "did it"} for wish in wishes])
        self.calls.append((call.payload["tool"], call.payload["arguments"]))
        return Outcome("did it")

    def cancel(self, syscall):
        pass


class Model:
    """An executor whose model always wants the same tool calls."""

    def __init__(self):
        self.wishes = []

    def perform(self, call):
        return Outcome(
            {"finish_reason": "stop"}, message={"role": "assistant", "content": "", "tool_calls": self.wishes}
        )

    def cancel(self, syscall):
        pass


class Office(World):
    """A world with shared helpers."""

    def done(self, task, **options):
        """Submit `does`, let everything run, give the agent's id and its result's value."""
        agent = self.client.submit("does", task, **options)
        self.run()
        return agent, self.client.result(agent, timeout=0).value

    @property
    def tool(self):
        return self.executors["tool"]

    def audited(self, action):
        return list(self.client.audit(action=action, limit=1000))


def office(database_url, redis_url, *, access=None) -> Office:
    """A new one."""
    executors = {
        "storage": StorageExecutor(),
        "tool": Tools(),
        "llm": Model(),
        "memory": MemoryExecutor(FakeEmbedder()),
    }
    programs = {"does": does, "parent": parent}
    return Office(
        database_url,
        redis_url,
        programs=programs,
        executors=executors,
        tools=TOOLS,
        access=access or AccessSettings(),
    )


@pytest.fixture
def world(database_url, redis_url) -> Iterator[Office]:
    made = office(database_url, redis_url)
    yield made
    made.close()
