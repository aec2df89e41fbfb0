"""The tool pool's executor."""

from __future__ import annotations

import threading

import pytest

from aios.errors import BadToolArguments, Ignored, InvalidArgument
from aios.kernel.chat import ToolCall
from aios.tools.executor import ToolExecutor
from aios.tools.registry import Loaded, Registry
from aios.tools.tool import tool
from tests import asking

done = []


@tool
def add(a: int, b: int) -> int:
    """Add."""
    done.append(a)
    return a + b


@tool
def crash() -> None:
    """Crash."""
    raise ValueError("boom")


@pytest.fixture
def executor():
    done.clear()
    return ToolExecutor(Registry([Loaded(add, "here"), Loaded(crash, "here")]))


def claimed(op, payload, earlier=()):
    return asking.claimed("tool", op, payload, earlier=earlier)


def run(*calls, tools=("add", "crash")):
    message = {"role": "assistant", "content": "", "tool_calls": [call.to_json() for call in calls]}
    return claimed("run", {"from": 0, "tools": list(tools)}, [{"message": message}])


def test_a_call_gives_the_tools_result(executor):
    outcome = executor.perform(claimed("call", {"tool": "add", "arguments": {"a": 1, "b": 2}}))
    assert outcome.result == 3
    assert outcome.effect is None


def test_a_calls_error_is_raised(executor):
    with pytest.raises(BadToolArguments):
        executor.perform(claimed("call", {"tool": "add", "arguments": {"a": "1"}}))


def test_all_calls_of_a_reply_run_in_order_and_an_error_is_a_result(executor):
    call = run(
        ToolCall("add", {"a": 1, "b": 1}, "c1"),
        ToolCall("crash", {}),
        ToolCall("add", {"a": 2}),
        ToolCall("nothing", {}),
        ToolCall("add", {"a": 3, "b": 3}, "c5"),
    )
    first, second, third, fourth, fifth = executor.perform(call).result
    assert first == {"tool": "add", "id": "c1", "result": 2}
    assert second == {"tool": "crash", "error": "tool 'crash' raised ValueError: boom", "kind": "ToolFailed"}
    assert "b: is required" in third["error"]
    assert "unknown tool 'nothing'" in fourth["error"]
    assert fifth == {"tool": "add", "id": "c5", "result": 6}
    assert done == [1, 3]


def test_a_model_cannot_call_a_tool_that_was_not_offered_to_it(executor):
    (answer,) = executor.perform(run(ToolCall("add", {"a": 1, "b": 1}), tools=["crash"])).result
    assert "does not declare tool 'add'" in answer["error"]
    assert done == []


def test_a_reply_without_tool_calls_runs_nothing(executor):
    assert executor.perform(run()).result == []
    assert executor.perform(claimed("run", {"from": 0, "tools": []}, [{"message": {"content": "x"}}])).result == []


def test_an_unknown_operation_is_refused(executor):
    with pytest.raises(InvalidArgument, match="call and run"):
        executor.perform(claimed("dance", {}))


def test_no_further_tool_starts_after_a_cancel():
    entered, go_on, ran = threading.Event(), threading.Event(), []

    @tool
    def wait() -> None:
        """Wait."""
        ran.append(1)
        entered.set()
        go_on.wait(5)

    executor = ToolExecutor(Registry([Loaded(wait, "here")]))
    call = run(ToolCall("wait", {}), ToolCall("wait", {}), tools=["wait"])
    ended = []

    def perform():
        try:
            executor.perform(call)
        except Ignored as signal:
            ended.append(signal)

    thread = threading.Thread(target=perform)
    thread.start()
    assert entered.wait(5)
    executor.cancel(call.id)
    go_on.set()
    thread.join(5)
    assert len(ended) == 1
    assert ran == [1]
