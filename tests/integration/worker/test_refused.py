"""What cannot be written down, or begun, ends its agent: it would otherwise be driven, and do all that it does, for ever."""

from __future__ import annotations

from datetime import timedelta

import pytest

from aios.errors import InvalidArgument
from aios.kernel.plan import ToolInfo
from aios.kernel.ports import Outcome
from aios.kernel.program import program
from aios.kernel.words import Effect
from tests.integration.worker.world import World

SENT = []


@program
async def takes_no_task(agent):
    return 1


@program
async def huge(agent, task):
    return (await agent.llm.chat([{"role": "user", "content": "x"}], max_tokens=3_000_000_000)).text


@program
async def nul(agent, task):
    raise ValueError("a\x00b")


@program
async def surrogate(agent, task):
    raise ValueError("a\udc80b")


@program
async def negative(agent, task):
    await agent.sleep(timedelta(seconds=-5))


@program
async def nan(agent, task):
    await agent.sleep(float("nan"))


@program
async def odd_argument(agent, task):
    raise InvalidArgument("x", b"\x01", "no")


@program
async def within_itself(agent, task):
    value = {}
    value["again"] = value
    raise InvalidArgument("x", value, "no")


@program
async def step_nul(agent, task):
    def fails():
        raise ValueError("a\x00b")

    return await agent.step(fails)


@program
async def mailer(agent, task):
    await agent.step(lambda: SENT.append(1))
    raise ValueError("bad header: \x00")


class Answers:
    def perform(self, call):
        return Outcome(result={"finish_reason": "stop"}, message={"role": "assistant", "content": "hi"})

    def cancel(self, syscall):
        pass


ALL = [takes_no_task, huge, nul, surrogate, negative, nan, odd_argument, within_itself, step_nul, mailer]


@pytest.fixture(params=[False, True], ids=["pools", "fused"])
def world(database_url, redis_url, request):
    programs = {one.name: one for one in ALL}
    made = World(database_url, redis_url, programs=programs, executors={"llm": Answers()}, fused=request.param)
    yield made
    made.close()


def run(world, name):
    agent = world.client.submit(name, "x")
    for _ in range(3):
        world.run()
        world.incarnation.beat()  # which gives back what nobody here drives
        world.recovery.tick()
    return world.client.result(agent, timeout=0)


@pytest.mark.parametrize("name", [one.name for one in ALL if one not in (huge, mailer)])
def test_it_fails_and_says_why(world, name):
    result = run(world, name)
    assert result.state == "failed"
    assert result.error["message"]


def test_what_is_done_before_is_done_once(world):
    SENT.clear()
    assert run(world, "mailer").state == "failed"
    assert len(SENT) == 1


def test_an_answer_of_any_length_may_be_asked_for(world):
    assert run(world, "huge").value == "hi"


def test_what_postgres_refuses_ends_the_agent(world, monkeypatch):
    monkeypatch.setattr("aios.kernel.plan._MOST_TOKENS", 2**40)
    result = run(world, "huge")
    assert result.state == "failed"
    assert "cannot be written: NumericValueOutOfRange" in result.error["message"]


@program(tools=["pay"])
async def pays(agent, task):
    value = 1
    for _ in range(98):
        value = [value]
    return await agent.tool.call("pay", n=value)


class Pay(Answers):
    def perform(self, call):
        return Outcome(result=1)


def test_arguments_that_were_accepted_can_be_told_to_the_audit_log(database_url, redis_url):
    pay = ToolInfo("pay", Effect.ONCE)
    world = World(database_url, redis_url, programs={"pays": pays}, executors={"tool": Pay()}, tools={"pay": pay})
    agent = world.client.submit("pays", "x")
    world.run()
    assert world.client.result(agent, timeout=0).value == 1
    assert world.recovery.tick()
    log = world.client.verify_audit()
    assert log.rows
    assert (log.unsealed, log.broken) == (0, [])
    world.close()
