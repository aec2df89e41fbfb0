"""Planning: which syscalls answer which request."""

from __future__ import annotations

import pytest

from aios.errors import InvalidArgument, ToolDenied, UnknownTool
from aios.kernel.agent import Agent
from aios.kernel.ids import new_id
from aios.kernel.plan import Planner, ToolInfo
from aios.kernel.recall import AutoMemory, Recall, Remember
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
        (Pool.MEMORY, "recall", SyscallState.QUEUED),
        (Pool.LLM, "chat", SyscallState.BLOCKED),
        (Pool.MEMORY, "remember", SyscallState.BLOCKED),
    ]
    assert calls[0].payload == {"query": "hello", "k": 3}
    assert calls[1].payload["recalled"] == 0
    assert calls[2].payload["from"] == 1


def test_a_note_is_stored_before_any_model_is_asked_about_it(agent, plan):
    calls = plan(agent.memory.note("fact", namespace="group/g", model="small"))
    assert [(call.pool, call.op) for call in calls] == [
        (Pool.MEMORY, "add"),
        (Pool.LLM, "chat"),
        (Pool.MEMORY, "analyse"),
        (Pool.LLM, "chat"),
        (Pool.MEMORY, "evolve"),
    ]
    assert calls[0].payload["analyse"] is True
    assert {call.payload["namespace"] for call in calls if call.pool is Pool.MEMORY} == {"group/g"}
    assert {call.payload["model"] for call in calls if call.pool is Pool.LLM} == {"small"}


def test_an_analysed_reply_is_refined_behind_the_step_that_stores_it(agent, plan):
    calls = plan(agent.llm.chat("hello", recall=2, remember=Remember(analyse=True)))
    assert [call.op for call in calls] == ["recall", "chat", "remember", "chat", "analyse", "chat", "evolve"]
    assert calls[2].payload["from"] == 1
    assert (calls[4].payload["note"], calls[4].payload["reply"]) == (2, 3)
    assert (calls[6].payload["seen"], calls[6].payload["reply"]) == (4, 5)


def test_a_program_with_memory_recalls_and_remembers_by_itself(plan):
    memory = AutoMemory(recall=Recall(k=2, threshold=0.4, tokens=50), remember=Remember(asked=True))
    agent = Agent(id=new_id(), memory=memory)
    recall, _, remember = plan(agent.llm.chat("who?", model="m"))
    assert recall.payload == {"query": "who?", "k": 2, "threshold": 0.4, "tokens": 50, "model": "m"}
    assert remember.payload == {"tags": [], "asked": "who?", "from": 1}
    (alone,) = plan(agent.llm.chat("who?", recall=0, remember=False))
    assert alone.op == "chat"


def test_tool_use_runs_the_models_calls_with_the_worst_effect_of_what_was_offered(agent, plan):
    calls = plan(agent.llm.act("do it", tools=["calculator", "send"]).request)
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
