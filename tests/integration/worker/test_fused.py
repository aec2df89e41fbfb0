"""The profile `fused`: one message carries an agent from its first syscall to its last, and no further than it may."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from uuid import UUID

import pytest

from aios.kernel.plan import ToolInfo
from aios.kernel.ports import Outcome
from aios.kernel.program import program
from aios.worker import fused
from aios.worker.fused import Fused
from tests.integration.worker.world import World


@program(tools=["plain"])
async def calling(agent, task):
    return [(await agent.tool.call("plain", x=n))["x"] for n in range(task)]


class Tool:
    def perform(self, call):
        return Outcome(result=call.payload["arguments"])

    def cancel(self, syscall):
        pass


class Process:
    """A worker of the pool `tool`, and what it did without a message."""

    def __init__(self, world, *, on=True):
        self.world = world
        self.steps = []
        execution = replace(world.execution, drive=world.drive if on else None)
        self._fused = Fused.of(world.dispatch, world.drive, execution, pools=["tool"], on=on)

    def answer(self, bell):
        pool, _, member = bell.links[0]
        self._fused.run(lambda: self._fused.execution.run(UUID(member), pool=pool), announced=self._announced)

    @contextmanager
    def _announced(self, bell):
        self.steps.append(bell.links[0][1])
        yield


@pytest.fixture
def world(database_url, redis_url):
    made = World(
        database_url,
        redis_url,
        programs={"calling": calling},
        executors={"tool": Tool()},
        tools={"plain": ToolInfo("plain")},
    )
    yield made
    made.close()


def begun(world, calls):
    """An agent whose first syscall was rung: its id, and the bell."""
    agent = world.client.submit("calling", calls)
    world.answer(world.recorder.bells.pop())
    (bell,) = world.recorder.bells
    world.recorder.bells.clear()
    return agent, bell


def test_one_message_carries_an_agent_to_its_end(world):
    agent, bell = begun(world, 5)
    process = Process(world)
    process.answer(bell)
    assert process.steps == ["call"] * 4
    assert world.recorder.bells == []
    assert world.client.result(agent, timeout=5).value == [0, 1, 2, 3, 4]


def test_without_the_profile_each_step_is_a_message(world):
    agent, bell = begun(world, 5)
    process = Process(world, on=False)
    process.answer(bell)
    assert process.steps == []
    assert [bell.links[0][1] for bell in world.recorder.bells] == ["resume"]
    world.run()
    assert world.client.result(agent, timeout=5).value == [0, 1, 2, 3, 4]


def test_it_goes_on_for_so_many_steps_and_rings_what_is_left(world):
    agent, bell = begun(world, 20)
    process = Process(world)
    process.answer(bell)
    assert len(process.steps) == fused._STEPS
    (left,) = world.recorder.bells
    assert left.links[0][1] == "call"
    world.run()
    assert world.client.result(agent, timeout=5).value == list(range(20))


def test_a_process_takes_only_what_it_serves(world):
    agent, bell = begun(world, 2)
    execution = replace(world.execution, drive=world.drive)
    other = Fused.of(world.dispatch, world.drive, execution, pools=["llm"], on=True)
    process = Process(world)
    process._fused = other
    process.answer(bell)
    assert process.steps == []
    assert [bell.pool for bell in world.recorder.bells] == ["tool"]
    world.run()
    assert world.client.result(agent, timeout=5).value == [0, 1]
