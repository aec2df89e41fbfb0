"""The faults of the published AIOS that concern tools, each as a test that would fail with it (22, 23; 28 and 38 elsewhere)."""

from __future__ import annotations

import threading
import time
from uuid import uuid4

import pytest

from aios.errors import ToolFailed
from aios.kernel.agent import Agent
from aios.kernel.chat import ToolCall
from aios.kernel.plan import Planner, ToolInfo
from aios.kernel.ports import Claimed
from aios.kernel.words import Pool
from aios.tools.executor import ToolExecutor
from aios.tools.registry import Loaded, Registry
from aios.tools.tool import tool


def claimed(op, payload, earlier=()):
    ids = {name: uuid4() for name in ("id", "agent_id", "request_id", "token")}
    rest = {"errors": 0, "priority": 5, "program": "p", "tenant": "default", "seconds_left": 5.0, "attempt": 1}
    return Claimed(**ids, **rest, position=len(earlier), pool="tool", op=op, payload=payload, earlier=list(earlier))


def executor(*tools):
    return ToolExecutor(Registry([Loaded(one, "here") for one in tools]))


def test_fault_22_a_tool_can_be_called_directly_without_a_model():
    planner = Planner(tools={"add": ToolInfo("add")}, program="p", declared=("add",))
    (call,) = planner.plan(Agent(id=uuid4()).tool.call("add", a=1))
    assert (call.pool, call.op, call.payload) == (Pool.TOOL, "call", {"tool": "add", "arguments": {"a": 1}})


def test_fault_23_a_slow_tool_does_not_hold_up_the_others():
    entered, go_on = threading.Event(), threading.Event()

    @tool
    def slow() -> None:
        """Wait."""
        entered.set()
        go_on.wait(10)

    @tool
    def quick() -> int:
        """At once."""
        return 1

    both = executor(slow, quick)
    thread = threading.Thread(target=lambda: both.perform(claimed("call", {"tool": "slow", "arguments": {}})))
    thread.start()
    assert entered.wait(5)
    begun = time.monotonic()
    assert both.perform(claimed("call", {"tool": "quick", "arguments": {}})).result == 1
    assert time.monotonic() - begun < 5
    go_on.set()
    thread.join()


def test_fault_23_a_tool_that_failed_is_called_again():
    fails = [True, False]

    @tool
    def moody() -> str:
        """Fail once."""
        if fails.pop(0):
            raise ValueError("not now")
        return "fine"

    one = executor(moody)
    with pytest.raises(ToolFailed):
        one.perform(claimed("call", {"tool": "moody", "arguments": {}}))
    assert one.perform(claimed("call", {"tool": "moody", "arguments": {}})).result == "fine"


def test_fault_23_every_call_of_a_reply_is_made_and_each_has_its_result():
    @tool
    def echo(n: int) -> int:
        """Say it."""
        return n

    calls = [ToolCall("echo", {"n": n}, f"c{n}").to_json() for n in range(5)]
    message = {"role": "assistant", "content": "", "tool_calls": calls}
    outcome = executor(echo).perform(claimed("run", {"from": 0, "tools": ["echo"]}, [{"message": message}]))
    assert [entry["result"] for entry in outcome.result] == [0, 1, 2, 3, 4]


def test_fault_28_what_the_caller_gave_is_not_changed():
    @tool
    def greedy(items: list[int]) -> int:
        """Take all."""
        items.clear()
        return 0

    given = {"items": [1, 2]}
    executor(greedy).perform(claimed("call", {"tool": "greedy", "arguments": given}))
    assert given == {"items": [1, 2]}
