"""The profile `fused`: one message carries an agent from its first syscall to its last, and no further than it may."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest
import redis

from aios.kernel.plan import ToolInfo
from aios.kernel.program import program
from aios.memory.executor import MemoryExecutor
from aios.memory.hashing import Hashing
from aios.ready import ReadySets
from aios.worker import fused
from aios.worker.fused import Fused
from tests.integration.worker.process import Process, Tool, begun, calling, without
from tests.integration.worker.world import World


@program
async def noting(agent, task):
    for number in range(task):
        await agent.memory.write(f"note {number}", "x")
    return task


@program
async def noting_paused(agent, task):
    PAUSES[0]()
    await agent.memory.write("note", "x")
    return task


PAUSES = []


@pytest.fixture
def world(database_url, redis_url):
    made = World(
        database_url,
        redis_url,
        programs={"calling": calling, "noting": noting, "noting_paused": noting_paused},
        executors={"tool": Tool(), "memory": MemoryExecutor(Hashing())},
        tools={"plain": ToolInfo("plain")},
    )
    yield made
    made.close()


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


def test_light_syscalls_are_claimed_by_the_drives_that_ask_for_them(world, redis_url):
    agent = world.client.submit("noting", 3)
    process = Process(world)
    process.answer(world.recorder.bells.pop())
    assert process.steps == ["write"] * 3
    assert world.client.result(agent, timeout=5).value == 3
    assert [(row["state"], row["attempt"]) for row in world.client.journal(agent)] == [("done", 1)] * 3
    with redis.Redis.from_url(redis_url) as client:  # no ready set ever had them
        assert client.hkeys("aios:learned") == [b"agent.resume:noting"]


def test_beyond_its_steps_a_light_syscall_waits_like_any_other(world):
    agent = world.client.submit("noting", 2 * fused._STEPS)
    process = Process(world)
    process.answer(world.recorder.bells.pop())
    assert len(process.steps) == fused._STEPS
    assert [bell.links[0][:2] for bell in world.recorder.bells] == [("memory", "write")]
    world.run()
    assert world.client.result(agent, timeout=5).value == 2 * fused._STEPS


def test_a_light_syscall_of_a_paused_agent_is_not_claimed(world):
    agent = world.client.submit("noting_paused", 1)
    PAUSES[:] = [lambda: world.client.pause(agent)]
    process = Process(world)
    process.answer(world.recorder.bells.pop())
    assert process.steps == []
    assert [row["state"] for row in world.client.journal(agent)] == ["queued"]
    PAUSES[:] = [lambda: None]
    world.client.resume(agent)
    world.run()
    assert world.client.result(agent, timeout=5).value == 1


def test_what_is_claimed_and_then_dropped_is_given_back_by_the_next_heartbeat(world):
    agent = world.client.submit("noting", 1)
    bell = world.recorder.bells.pop()
    with pytest.raises(KeyboardInterrupt):
        Process(world)._fused.run(lambda: interrupted(world, bell))
    assert [row["state"] for row in world.client.journal(agent)] == ["running"]
    world.incarnation.beat()
    assert [row["state"] for row in world.client.journal(agent)] == ["queued"]


def interrupted(world, bell):
    world.drive.run(UUID(bell.links[0][2]))
    raise KeyboardInterrupt


def test_where_no_message_waits_it_goes_on_beyond_its_steps_until_the_process_is_to_stop(world, monkeypatch):
    monkeypatch.setattr(ReadySets, "turn", without("yields"))  # no message waits
    agent, bell = begun(world, 3 * fused._STEPS)
    process = Process(world)
    process.answer(bell)
    assert len(process.steps) == 3 * fused._STEPS - 1
    assert world.client.result(agent, timeout=5).value == list(range(3 * fused._STEPS))
    for _ in range(2):
        _, bell = begun(world, 3 * fused._STEPS)
        process._fused.stopping.set()
        process.steps.clear()
        process.answer(bell)
        assert len(process.steps) <= 1
        world.recorder.bells.clear()


def test_a_pools_child_which_cannot_be_told_to_stop_goes_no_further_than_its_steps(world, monkeypatch):
    monkeypatch.setattr(ReadySets, "turn", without("yields"))
    _, bell = begun(world, 3 * fused._STEPS)
    process = Process(world)
    process._fused = replace(process._fused, queues=())
    process.answer(bell)
    assert len(process.steps) == fused._STEPS
