"""Map and reduce: one child per item, results in the items' order, a failed child as an error among them."""

from __future__ import annotations

from aios.errors import ChildFailed


def script(said, *, bad=""):
    def answer(request):
        if request.name == "agent.spawn":
            return f"child of {request.args['task']}"
        if request.name == "agent.wait":
            item = request.args["agent"].removeprefix("child of ")
            if item == bad:
                raise ChildFailed(item, "failed", "it broke")
            return item.upper()
        return said("all together")

    return answer


def test_lines_go_to_children_and_results_come_back_in_order(play, said):
    run = play("map_reduce", script(said))
    assert run.run("one\n\ntwo\n") == {"results": [{"result": "ONE"}, {"result": "TWO"}]}
    spawned = [request.args for request in run.asked if request.name == "agent.spawn"]
    assert [(args["program"], args["task"]) for args in spawned] == [("echo", "one"), ("echo", "two")]


def test_children_are_all_spawned_before_the_first_is_waited_for(play, said):
    run = play("map_reduce", script(said))
    run.run({"items": ["a", "b", "c"]})
    assert [request.name for request in run.asked] == ["agent.spawn"] * 3 + ["agent.wait"] * 3


def test_a_template_a_program_and_a_reduction(play, said):
    run = play("map_reduce", script(said))
    job = {"items": [1, {"a": 2}], "program": "react", "each": "What is {item} of {x}?", "reduce": "Join these:"}
    found = run.run(job)
    assert found["reduced"] == "all together"
    spawned = [request.args for request in run.asked if request.name == "agent.spawn"]
    assert [args["task"] for args in spawned] == ["What is 1 of {x}?", "What is {'a': 2} of {x}?"]
    assert run.asked[-1].messages[0]["content"] == "Join these:\n- WHAT IS 1 OF {X}?\n- WHAT IS {'A': 2} OF {X}?"


def test_a_failed_child_does_not_spoil_the_others(play, said):
    first, second = play("map_reduce", script(said, bad="one")).run("one\ntwo")["results"]
    assert first == {"error": "child agent one ended failed: it broke"}
    assert second == {"result": "TWO"}
