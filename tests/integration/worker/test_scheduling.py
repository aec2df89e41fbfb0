"""The scheduler in a whole kernel: the chosen policy goes for all workers, and what cannot be granted is ended."""

from __future__ import annotations

import time
from uuid import UUID

import pytest
import redis

from aios.db import service, syscalls
from aios.errors import CallTooLarge, EngineOverloaded, Preempted
from aios.kernel.chat import Usage
from aios.kernel.ids import new_token
from aios.kernel.plan import ToolInfo
from aios.kernel.ports import Outcome
from aios.kernel.program import program
from tests.integration.worker.world import World


@program(tools=["calculator", "browser"])
async def asks(agent, task):
    return (await agent.llm.chat(task)).text


@program
async def oneshot(agent, task):
    return (await agent.llm.chat(task)).text


@program(tools=["calculator", "browser"])
async def uses(agent, task):
    return await agent.gather(*(agent.tool.call(tool, expression=str(n)) for tool in task for n in range(3)))


class Answers:
    def __init__(self):
        self.answered = []

    def perform(self, call):
        self.answered.append(str(call.id))
        message = {"role": "assistant", "content": "yes"}
        return Outcome(result={"finish_reason": "stop"}, message=message, usage=Usage(10, 20), core="scripted")

    def cancel(self, syscall):
        pass


class Works(Answers):
    def perform(self, call):
        return Outcome(result=1)


@pytest.fixture
def world(database_url, redis_url):
    tools = {name: ToolInfo(name) for name in ("calculator", "browser")}
    executors = {"llm": Answers(), "tool": Works()}
    made = World(
        database_url,
        redis_url,
        programs={"asks": asks, "oneshot": oneshot, "uses": uses},
        executors=executors,
        tools=tools,
    )
    yield made
    made.close()


def drive(world):
    """Answer the bells that drive agents, and give the others."""
    while found := [bell for bell in world.recorder.bells if bell.pool == "agent"]:
        for bell in found:
            world.recorder.bells.remove(bell)
            world.answer(bell)
    return world.recorder.bells


def held_back(world, pool):
    """Let no syscall of a pool run, whatever the ticks set."""
    world.client.set_limit(pool, slots=0)
    world.recovery.tick()


def released(world, pool, slots):
    world.client.set_limit(pool, slots=slots)
    world.recovery.tick()


def test_another_policy_puts_what_waits_into_its_order(world):
    held_back(world, "llm")
    crowd = [world.client.submit("asks", f"{n}", priority=5) for n in range(3)]
    urgent = world.client.submit("asks", "urgent", priority=0)
    assert drive(world) == []
    for policy, first in (("fifo", crowd[0]), ("priority", urgent), ("fifo", crowd[0])):
        world.client.set_policy(policy)
        world.recovery.tick()
        assert world.ready.policy()["name"] == policy
        released(world, "llm", 1)
        (bell,) = world.recorder.bells
        assert bell.links[0][2] == str(world.client.journal(first)[0]["id"])
        world.recorder.bells.clear()
        held_back(world, "llm")
        world.ready.clear()  # as if Redis had been wiped: the grant above is forgotten
        world.recovery.tick()
    released(world, "llm", 4)
    world.run()
    assert {world.client.result(agent, timeout=0).value for agent in [*crowd, urgent]} == {"yes"}


@pytest.mark.parametrize("policy", ["fifo", "las"])
def test_what_a_dead_worker_held_has_its_old_place_in_the_line(world, policy):
    world.client.set_policy(policy)
    held_back(world, "llm")
    victim = world.client.submit("asks", "claimed by a worker that dies")
    drive(world)
    call = world.client.journal(victim)[0]["id"]
    time.sleep(0.05)
    world.client.submit("asks", "came later")
    drive(world)
    with world.database.statement() as tx:
        assert syscalls.claim(tx, call, token=new_token(), incarnation=new_token())
    world.dispatch.ring(done=[("llm", str(call))])
    world.recovery.tick()
    released(world, "llm", 1)
    (bell,) = world.recorder.bells
    assert bell.links[0][2] == str(call)


def test_nice_moves_an_agent_under_the_default_policy(world):
    held_back(world, "llm")
    agents = [world.client.submit("asks", f"{n}") for n in range(3)]
    drive(world)
    world.client.nice(agents[2], 0)
    released(world, "llm", 1)
    (bell,) = world.recorder.bells
    assert bell.links[0][2] == str(world.client.journal(agents[2])[0]["id"])


def test_one_shots_of_one_key_pay_together_so_that_many_are_no_way_to_come_first(world):
    held_back(world, "llm")
    flood = [world.client.submit("oneshot", f"{n}", tenant="acme", owner="bot") for n in range(12)]
    others = [world.client.submit("oneshot", "x", tenant="acme", owner="ann"), world.client.submit("asks", "y")]
    drive(world)
    first = {str(world.client.journal(agent)[0]["id"]) for agent in (flood[0], *others)}
    for wiped in (False, True):
        if wiped:
            held_back(world, "llm")
            world.recorder.bells.clear()
            world.ready.clear()
        released(world, "llm", 3)
        assert {bell.links[0][2] for bell in world.recorder.bells} == first
    released(world, "llm", 40)
    world.run()
    assert {world.client.result(agent, timeout=0).value for agent in [*flood, *others]} == {"yes"}


def test_after_a_wipe_who_asked_one_shots_lately_is_not_new(world):
    for n in range(3):
        world.client.submit("oneshot", f"{n}", tenant="acme", owner="bot")
    world.run()
    with world.database.statement() as tx:
        had = {(pool, payer): seconds for pool, payer, seconds in service.attained(tx, half_life_seconds=60.0)}
    assert set(had) == {("llm", "acme/bot")}
    assert had["llm", "acme/bot"] > 0


def test_a_limited_tool_delays_no_other_and_everything_is_done_in_the_end(world):
    world.client.set_limit("tool:browser", slots=1)
    world.recovery.tick()
    agent = world.client.submit("uses", ["browser", "calculator"])
    granted = sorted(bell.key for bell in drive(world))
    assert granted == ["tool:browser"] + ["tool:calculator"] * 3
    world.run()
    assert world.client.result(agent, timeout=0).value == [1] * 6


def test_a_wipe_forgets_neither_who_waits_nor_what_was_had(world):
    first = world.client.submit("asks", "x")
    world.run()
    held_back(world, "llm")
    second = world.client.submit("asks", "y")
    drive(world)
    with redis.Redis.from_url(world.settings.redis_url) as client:
        client.flushall()
    released(world, "llm", 1)
    world.run()
    assert [world.client.result(agent, timeout=0).value for agent in (first, second)] == ["yes", "yes"]


def test_a_grant_that_went_to_another_meanwhile_starts_nothing_and_its_syscall_waits_again(world):
    held_back(world, "llm")
    agents = [world.client.submit("asks", f"{n}") for n in range(2)]
    drive(world)
    released(world, "llm", 1)
    (late,) = world.recorder.bells
    world.client.nice(agents[1], 0)
    world.ready.renew([("llm", late.id)], lease_seconds=0.01)
    time.sleep(0.05)
    world.dispatch.ring(keys=["llm"])
    other = world.recorder.bells[-1]
    assert other.id != late.id
    world.ready.renew([("llm", other.id)], lease_seconds=60)
    world.answer(late)
    assert world.executors["llm"].answered == []
    assert world.client.journal(agents[0])[0]["state"] == "queued"
    world.answer(other)
    world.run()
    assert [world.client.result(agent, timeout=0).value for agent in agents] == ["yes", "yes"]
    assert [row["errors"] for agent in agents for row in world.client.journal(agent)] == [0, 0]


def test_a_call_that_is_given_back_waits_in_the_line_of_its_own_key(world, monkeypatch):
    def preempted(*_):
        raise Preempted("tool", 0)

    with monkeypatch.context() as patch:
        patch.setattr(Works, "perform", preempted)
        agent = world.client.submit("uses", ["calculator"])
        bell, *_ = drive(world)
        world.recorder.bells.clear()
        held_back(world, "tool:calculator")
        world.answer(bell)
        assert bell.key == "tool:calculator"
        assert drive(world) == []  # the pool itself has room
    released(world, "tool:calculator", 1)
    world.run()
    assert world.client.result(agent, timeout=0).value == [1, 1, 1]


def test_a_call_whose_place_another_has_is_stopped_when_its_grant_is_renewed(world):
    lost = []
    world.incarnation._on_lost = lost.append
    held_back(world, "llm")
    agents = [world.client.submit("asks", f"{n}") for n in range(2)]
    drive(world)
    released(world, "llm", 1)
    (first,) = world.recorder.bells
    call = world.execution._claim(UUID(first.id), "llm", token := new_token())
    with world.incarnation.holding(token):
        world.incarnation.hold(call)
        world.incarnation.renew()
        assert lost == []
        world.ready.renew([("llm", first.id)], lease_seconds=0.01)
        world.client.nice(agents[1], 0)
        time.sleep(0.05)
        world.dispatch.ring(keys=["llm"])
        world.ready.renew([("llm", world.recorder.bells[-1].id)], lease_seconds=60)
        world.incarnation.renew()
    assert lost == [UUID(first.id)]


def test_after_a_429_no_call_is_made_for_as_long_as_it_said(world):
    world.client.set_limit("llm", slots=3)
    world.recovery.tick()
    agents = [world.client.submit("asks", f"{n}") for n in range(3)]
    assert len({bell.id for bell in drive(world)}) == 3
    answers, times = Answers(), []

    def perform(call):
        times.append(time.monotonic())
        if len(times) == 1:
            raise EngineOverloaded("scripted", 0.4)
        return answers.perform(call)

    world.executors["llm"].perform = perform
    until = time.monotonic() + 20
    while any(not world.client.result(agent, timeout=0).ended for agent in agents) and time.monotonic() < until:
        world.run()
    assert [world.client.result(agent, timeout=0).value for agent in agents] == ["yes"] * 3
    assert min(times[1:]) - times[0] >= 0.4
    assert [row["errors"] for agent in agents for row in world.client.journal(agent)] == [0] * 3


def test_a_call_that_no_minute_has_tokens_for_fails_and_says_so(world):
    world.client.set_limit("llm", slots=4, tokens=500)
    world.recovery.tick()
    large = world.client.submit("asks", "word " * 400)
    small = world.client.submit("asks", "word")
    world.run()
    assert world.client.result(small, timeout=0).value == "yes"
    error = world.client.result(large, timeout=0).error
    assert error["type"] == CallTooLarge.__name__
    assert "llm may use 500 a minute" in error["message"]


def test_tokens_that_were_used_are_what_counts(world):
    world.client.set_limit("llm", slots=9, tokens=1000)
    world.recovery.tick()
    agents = [world.client.submit("asks", "word") for _ in range(8)]
    world.run()
    done = [world.client.result(agent, timeout=0) for agent in agents]
    assert all(result.value == "yes" for result in done)  # 8 x 256 reserved, and 8 x 30 used


def test_a_message_whose_grant_was_let_go_meanwhile_makes_no_call_and_its_syscall_waits_again(world):
    """A dead worker's grants lapse and are rung, then recovery lets them go: who heard the ring would call without a slot."""
    agent = world.client.submit("asks", "hello")
    (bell,) = drive(world)
    world.recorder.bells.clear()
    world.ready.turn(done=[(bell.key, bell.id)])
    world.answer(bell)
    assert world.executors["llm"].answered == []
    world.run()
    assert world.executors["llm"].answered == [bell.id]
    assert world.client.result(agent, timeout=0).value == "yes"
