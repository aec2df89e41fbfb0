"""Map and reduce: one child per item, results in the items' order, a failed child as an error among them."""

from __future__ import annotations

from aios import program
from aios.testing import play


@program(name="echo")
async def loud(agent, task):
    if task == "bad":
        raise ValueError(task)
    return task.upper()


@program(name="other")
async def other(agent, task):
    return task.upper()


def test_lines_go_to_children_and_results_come_back_in_order(shipped):
    played = play(shipped["map_reduce"], "one\n\ntwo\n", programs=[loud])
    assert played.result == {"results": [{"result": "ONE"}, {"result": "TWO"}]}


def test_children_are_all_spawned_before_the_first_is_waited_for(shipped):
    played = play(shipped["map_reduce"], {"items": ["a", "b", "c"]}, programs=[loud])
    assert [line.name for line in played.journal] == ["agent.spawn"] * 3 + ["agent.wait"] * 3


def test_a_template_a_program_and_a_reduction(shipped):
    job = {"items": [1, {"a": 2}], "program": "other", "each": "What is {item} of {x}?", "reduce": "Join these:"}
    played = play(shipped["map_reduce"], job, llm="all together", programs=[other])
    assert played.result["reduced"] == "all together"
    spawned = [line.arguments["task"] for line in played.journal if line.name == "agent.spawn"]
    assert spawned == ["What is 1 of {x}?", "What is {'a': 2} of {x}?"]
    (prompt,) = played.asked
    assert prompt.messages[0]["content"] == "Join these:\n- WHAT IS 1 OF {X}?\n- WHAT IS {'A': 2} OF {X}?"


def test_a_failed_child_does_not_spoil_the_others(shipped):
    first, second = play(shipped["map_reduce"], "bad\ntwo", programs=[loud]).result["results"]
    assert first["error"].endswith("ended failed: ValueError: bad")
    assert second == {"result": "TWO"}
