"""`aios retry` of an agent that failed while something was open: what nobody will answer any more is asked for again."""

from __future__ import annotations

import time

import pytest

from aios.db import agents
from aios.errors import NotFound
from aios.kernel.plan import ToolInfo
from aios.kernel.ports import Outcome
from aios.kernel.program import program
from aios.kernel.words import Effect
from tests.integration.worker.test_steering import drive_once
from tests.integration.worker.world import World


@program(tools=["calculator"])
async def calls(agent, task):
    return await agent.tool.call("calculator", expression="2")


@program
async def sleeps(agent, task):
    await agent.sleep(0.2)
    return "slept"


@program(tools=["calculator"])
async def branches(agent, task):
    async def two():
        first = await agent.tool.call("calculator", expression="1")
        return first + await agent.tool.call("calculator", expression="3")

    return await agent.gather(two(), agent.tool.call("calculator", expression="2"))


@program(tools=["pay"])
async def pays(agent, task):
    return await agent.tool.call("pay", n=1)


@program
async def notes(agent, task):
    return await agent.memory.note("a fact")


class Calculator:
    def __init__(self):
        self.asked = []

    def perform(self, call):
        self.asked.append(call.payload["arguments"]["expression"])
        return Outcome(result=int(self.asked[-1]))

    def cancel(self, syscall):
        pass


@pytest.fixture
def world(database_url, redis_url):
    tools = {"calculator": ToolInfo("calculator"), "pay": ToolInfo("pay", Effect.ONCE)}
    programs = {one.name: one for one in (calls, sleeps, branches, pays, notes)}
    made = World(database_url, redis_url, programs=programs, executors={"tool": Calculator()}, tools=tools)
    yield made
    made.close()


def retried(world, agent):
    assert world.client.get(agent)["state"] == "failed"
    with world.database.transaction() as tx:
        tx.exec_driver_sql("UPDATE agents SET budgets = '{}'")
    world.client.retry(agent)
    until = time.monotonic() + 10
    while not world.client.result(agent, timeout=0).ended and time.monotonic() < until:
        world.run()
    return world.client.result(agent, timeout=0)


@pytest.mark.parametrize(("name", "value"), [("calls", 2), ("sleeps", "slept")])
def test_what_was_open_when_the_time_was_spent_is_asked_for_again(world, name, value):
    agent = world.client.submit(name, "x", budgets={"seconds": 0.05})
    drive_once(world)
    time.sleep(0.1)
    world.recovery.tick()
    assert retried(world, agent).value == value


def test_what_a_branch_had_is_kept_and_the_other_one_is_asked_for_again(world):
    agent = world.client.submit("branches", "x", budgets={"steps": 2})
    drive_once(world)
    world.answer(world.recorder.bells.pop(0))  # the other branch's call still waits
    drive_once(world)
    assert retried(world, agent).value == [4, 2]
    assert sorted(world.executors["tool"].asked) == ["1", "2", "3"]


def test_a_call_that_may_be_done_once_is_not_begun_again(world):
    begun = []

    class Pay(Calculator):
        def perform(self, call):
            begun.append(call.id)
            with world.database.transaction() as tx:
                agents.fail(tx, call.agent_id, error=NotFound("what it needed", "x"))
            world.client.retry(agent)
            return Outcome(result=1)

    world.executors["tool"] = Pay()
    agent = world.client.submit("pays", "x")
    world.run()
    result = world.client.result(agent, timeout=0)
    assert (len(begun), result.state, result.error["type"]) == (1, "failed", "OutcomeUnknown")


def test_a_part_of_a_plan_that_was_done_is_not_done_again(world):
    """A note is stored first and analysed then."""

    class Memory(Calculator):
        def perform(self, call):
            self.asked.append(call.op)
            return Outcome(result={"id": "1", "state": "plain"})

    class Analyst(Calculator):
        def perform(self, call):
            self.asked.append(call.op)
            if len(self.asked) == 1:
                with world.database.transaction() as tx:  # as when its time is spent
                    agents.fail(tx, call.agent_id, error=NotFound("what it needed", "x"))
            return Outcome(result={"finish_reason": "stop"}, message={"role": "assistant", "content": "{}"})

    memory = Memory()
    world.executors |= {"memory": memory, "llm": Analyst()}
    agent = world.client.submit("notes", "x")
    world.run()
    assert world.client.get(agent)["state"] == "failed"
    world.client.retry(agent)
    world.run()
    assert world.client.result(agent, timeout=0).state == "done"
    assert (memory.asked[:2], memory.asked.count("add")) == (["add", "analyse"], 1)
