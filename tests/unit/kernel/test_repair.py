"""The repair round: what a model is told, what comes of it, and where it ends."""

from __future__ import annotations

from collections import deque
from uuid import uuid4

import pytest

from aios.errors import InvalidArgument
from aios.kernel.agent import Agent
from aios.kernel.chat import Reply, ToolCall, Usage
from aios.kernel.repair import Repairing

WRONG = {"error": "a: is required", "kind": "BadToolArguments"}


class Model:
    """Answers as it is told to, and keeps what it was asked."""

    def __init__(self, *answers):
        self.answers = deque(answers)
        self.asked = []

    async def __call__(self, messages):
        self.asked.append(list(messages))
        return self.answers.popleft()


def answer(*calls, text=""):
    made = tuple(ToolCall(name, {}, one) for name, one, _ in calls)
    results = [{"tool": name, "id": one, **entry} for name, one, entry in calls]
    return Reply(text, made, usage=Usage(10, 1)), results


def acted(model, repairs):
    awaiting = Repairing(model, [{"role": "user", "content": "do it"}], repairs).__await__()
    try:
        next(awaiting)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits")


def test_right_calls_are_asked_once():
    model = Model(answer(("add", "c1", {"result": 2})))
    reply, results = acted(model, 1)
    assert results == [{"tool": "add", "id": "c1", "result": 2}]
    assert len(model.asked) == 1
    assert reply.usage.total == 11


def test_a_wrong_call_is_told_and_mended_and_right_ones_are_kept():
    first = answer(("add", "c1", {"result": 2}), ("mul", "c2", WRONG))
    model = Model(first, answer(("mul", "c1", {"result": 6})))
    reply, results = acted(model, 1)
    said = model.asked[1][1:]
    assert [turn["role"] for turn in said] == ["assistant", "tool", "tool"]
    assert said[2] == {"role": "tool", "tool_call_id": "c2", "name": "mul", "content": "error: a: is required"}
    assert results == [
        {"tool": "add", "id": "c1", "result": 2},
        {"tool": "mul", "id": "c1.1", "result": 6, "repairs": 1},
    ]
    assert [call.id for call in reply.tool_calls] == ["c1", "c1.1"]
    assert reply.usage.total == 22


def test_it_ends_after_its_rounds_whatever_the_model_says():
    model = Model(*[answer(("mul", "c", WRONG))] * 5)
    _, results = acted(model, 2)
    assert len(model.asked) == 3
    assert results == [{"tool": "mul", "id": "c", **WRONG, "repairs": 2}]
    model = Model(answer(("mul", "c", WRONG)))
    assert acted(model, 0)[1] == [{"tool": "mul", "id": "c", **WRONG}]


def test_a_model_may_answer_in_words_instead():
    model = Model(answer(("mul", "c", WRONG)), answer(text="I cannot."))
    assert acted(model, 1) == (Reply("I cannot.", (), usage=Usage(20, 2)), [])


def test_an_error_of_the_tool_itself_is_not_mended():
    model = Model(answer(("mul", "c", {"error": "boom", "kind": "ToolFailed"})))
    acted(model, 1)
    assert len(model.asked) == 1


def test_rounds_without_end_are_refused():
    with pytest.raises(InvalidArgument, match="0 to 5"):
        Agent(id=uuid4()).llm.act("x", tools=[], repairs=6)
