"""A program that is changed while its agent waits: what is done is not done again, and a change that does not fit is told."""

from __future__ import annotations

import time

import pytest

from aios.kernel.plan import ToolInfo
from aios.kernel.ports import Outcome
from aios.kernel.program import program
from tests.integration.worker.world import World


@program(tools=["pay"], name="p")
async def gathers(agent, task):
    await agent.tool.call("pay", n=0)
    paid = await agent.gather(agent.tool.call("pay", n=1), agent.tool.call("pay", n=2))
    await agent.sleep(0.1)
    return paid


@program(tools=["pay"], name="p")
async def gathers_patched(agent, task):
    await agent.tool.call("pay", n=0)
    if await agent.patched("log"):
        await agent.tool.call("pay", n=3)
    paid = await agent.gather(agent.tool.call("pay", n=1), agent.tool.call("pay", n=2))
    await agent.sleep(0.1)
    return paid


@program(tools=["pay"], name="p")
async def one_by_one(agent, task):
    await agent.tool.call("pay", n=0)
    paid = [await agent.tool.call("pay", n=1), await agent.tool.call("pay", n=2)]
    await agent.sleep(0.1)
    return paid


class Pay:
    def __init__(self):
        self.paid = []

    def perform(self, call):
        self.paid.append(call.payload["arguments"]["n"])
        return Outcome(result=self.paid[-1])

    def cancel(self, syscall):
        pass


@pytest.fixture
def changed(database_url, redis_url):
    """Run an agent to its sleep, and on with another program; gives its result and what was paid."""
    worlds = []

    def run(before, after):
        programs, pay = {"p": before}, Pay()
        made = World(
            database_url, redis_url, programs=programs, executors={"tool": pay}, tools={"pay": ToolInfo("pay")}
        )
        worlds.append(made)
        agent = made.client.submit("p", "x")
        made.run()
        made.drive.live.close()
        programs["p"] = after
        until = time.monotonic() + 10
        while not made.client.result(agent, timeout=0).ended and time.monotonic() < until:
            made.run()
        return made.client.result(agent, timeout=0), pay.paid

    yield run
    for made in worlds:
        made.close()


def test_a_patch_before_a_gather_leaves_old_agents_as_they_are(changed):
    result, paid = changed(gathers, gathers_patched)
    assert (result.value, sorted(paid)) == ([1, 2], [0, 1, 2])


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        (gathers, one_by_one, "request 2 differs from the journal's: recorded agent.gather of tool.call"),
        (one_by_one, gathers, "request 2 differs from the journal's: recorded tool.call"),
    ],
    ids=["gather to single", "single to gather"],
)
def test_what_does_not_fit_is_told_before_anything_is_done_twice(changed, before, after, text):
    result, paid = changed(before, after)
    assert result.error["type"] == "NondeterminismError"
    assert text in result.error["message"]
    assert sorted(paid) == [0, 1, 2]
