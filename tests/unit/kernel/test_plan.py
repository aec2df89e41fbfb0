"""Planning: which syscalls answer which request."""

from __future__ import annotations

import pytest

from aios.errors import InvalidArgument, ToolDenied, UnknownTool
from aios.kernel.agent import Agent
from aios.kernel.ids import new_id
from aios.kernel.plan import Planner, ToolInfo
from aios.kernel.request import Request
from aios.kernel.words import Effect, Pool, SyscallState

TOOLS = {
    "calculator": ToolInfo("calculator", Effect.NONE, 5),
    "send": ToolInfo("send", Effect.ONCE, 9),
    "other": ToolInfo("other"),
}


@pytest.fixture
def agent():
    return Agent(id=new_id(), tools=("calculator", "send"))


@pytest.fixture
def plan():
    return Planner(tools=TOOLS, program="p", declared=("calculator", "send")).plan


def shape(calls):
    return [(call.pool, call.op, call.state) for call in calls]


def test_a_chat_is_one_llm_syscall_that_asks_the_conversation(agent, plan):
    (call,) = plan(agent.llm.chat("hello", max_tokens=8))
    assert (call.pool, call.op, call.state, call.asks) == (Pool.LLM, "chat", SyscallState.QUEUED, True)
    assert call.payload == {"sampling": {"max_tokens": 8}}


def test_a_chat_with_memory_is_a_chain_in_which_only_the_first_can_start(agent, plan):
    calls = plan(agent.llm.chat("hello", recall=3, remember=True))
    assert shape(calls) == [
        (Pool.MEMORY, "search", SyscallState.QUEUED),
        (Pool.LLM, "chat", SyscallState.BLOCKED),
        (Pool.MEMORY, "remember", SyscallState.BLOCKED),
    ]
    assert calls[0].payload == {"query": "hello", "k": 3}
    assert calls[1].payload["recalled"] == 0
    assert calls[2].payload["from"] == 1


def test_tool_use_runs_the_models_calls_with_the_worst_effect_of_what_was_offered(agent, plan):
    calls = plan(agent.llm.act("do it", tools=["calculator", "send"]))
    assert shape(calls) == [(Pool.LLM, "chat", SyscallState.QUEUED), (Pool.TOOL, "run", SyscallState.BLOCKED)]
    assert calls[1].effect is Effect.ONCE
    assert calls[1].seconds == 14


def test_a_tool_call_has_its_tools_effect_and_deadline(agent, plan):
    (call,) = plan(agent.tool.call("calculator", expression="1"))
    assert (call.effect, call.seconds) == (Effect.NONE, 5)


def test_an_unknown_tool_names_the_nearest(agent, plan):
    with pytest.raises(UnknownTool, match="did you mean 'calculator'"):
        plan(agent.tool.call("calculater", expression="1"))


def test_a_tool_that_was_not_declared_is_denied(agent, plan):
    with pytest.raises(ToolDenied, match="add it to @program"):
        plan(agent.tool.call("other"))


def test_sleeping_and_waiting_hold_no_worker(agent, plan):
    (sleep,) = plan(agent.sleep(2))
    (wait,) = plan(agent.wait("00000000-0000-0000-0000-000000000001"))
    assert (sleep.state, sleep.delay_seconds, sleep.seconds) == (SyscallState.WAITING, 2, None)
    assert (wait.state, wait.waits_for) == (SyscallState.WAITING, "00000000-0000-0000-0000-000000000001")


def test_nothing_else_is_planned(plan):
    with pytest.raises(InvalidArgument):
        plan(Request("agent", "fly"))
    with pytest.raises(InvalidArgument):
        plan(Request("gpu", "burn"))
