"""A program that ships, driven through the kernel's own replay, from scratch at each step, with answers from a script."""

from __future__ import annotations

import pytest

from aios.errors import AiosError
from aios.kernel.agent import Agent
from aios.kernel.ids import new_id
from aios.kernel.plan import Planner, ToolInfo
from aios.kernel.replay import Entry, Raised, Returned, Run
from aios.sdk import loader
from aios.settings import Settings

AGENT = new_id()
TOOLS = {name: ToolInfo(name) for name in ("calculator", "clock", "text")}


class Play:
    """One run. `asked` holds every request in the order in which it was made."""

    def __init__(self, name, script):
        self.program = loader.programs(loader.load(Settings()))[name]
        self.asked = []
        self._script = script
        self._journal: dict[str, Entry] = {}

    def run(self, task):
        agent = Agent(id=AGENT, tools=self.program.tools)
        while True:
            run = Run(self.program.start(agent, task), self._plan)
            issued = run.advance(dict(self._journal))
            if isinstance(run.outcome, Returned):
                return run.outcome.value
            if isinstance(run.outcome, Raised):
                raise run.outcome.error
            run.evict()
            for item in issued:
                self.asked.append(item.request)
                self._journal[item.seq] = self._entry(item)

    def _plan(self, request):
        if request.name == "agent.spawn":
            return ()
        return Planner(tools=TOOLS, program=self.program.name, declared=self.program.tools).plan(request)

    def _entry(self, item):
        try:
            return Entry(item.digest, item.request.label, results=[self._script(item.request)])
        except AiosError as error:
            return Entry(item.digest, item.request.label, error=error)


@pytest.fixture
def play():
    return Play


@pytest.fixture
def said():
    """The result of an LLM syscall in which the model says a text."""

    def result(text):
        usage = {"prompt_tokens": 1, "completion_tokens": 1}
        return {"message": {"role": "assistant", "content": text}, "finish_reason": "stop", "usage": usage}

    return result
