"""React: each observation is in the next prompt, errors are observations too, and the rounds are bounded."""

from __future__ import annotations

import json

from jsonschema import Draft202012Validator

from aios.errors import BadToolArguments


def step(tool, **arguments):
    return json.dumps({"thought": "I think.", "tool": tool, "input": arguments})


def scripted(said, *steps, tool=None):
    """Says the steps one after the other; `tool` answers tool calls."""
    left = iter(steps)
    return lambda request: said(next(left)) if request.resource == "llm" else tool(request)


def test_an_observation_is_in_the_next_prompt(play, said):
    script = scripted(said, step("calculator", expression="17 * 23"), step("answer", text="391"), tool=lambda _: 391)
    run = play("react", script)
    assert run.run("What is\n17 * 23?") == "391"
    assert [request.name for request in run.asked] == ["llm.complete", "tool.call", "llm.complete"]
    assert run.asked[1].args == {"tool": "calculator", "arguments": {"expression": "17 * 23"}}
    assert run.asked[0].args["prompt"].endswith("\nQuestion: What is 17 * 23?\nStep:")
    assert run.asked[2].args["prompt"].endswith('"17 * 23"}}\nObservation: 391\nStep:')


def test_a_tools_error_is_an_observation_that_the_model_may_repair(play, said):
    def tool(request):
        zone = request.args["arguments"]["zone"]
        if zone == "Asia/Delhi":
            raise BadToolArguments("clock", ["zone: did you mean Asia/Kolkata?"])
        return {"time": "14:05:00"}

    steps = (step("clock", zone="Asia/Delhi"), step("clock", zone="Asia/Kolkata"), step("answer", text="14:05"))
    run = play("react", scripted(said, *steps, tool=tool))
    assert run.run("What time is it in Delhi?") == "14:05"
    assert "Observation: error: " in run.asked[2].args["prompt"]
    assert "did you mean Asia/Kolkata?" in run.asked[2].args["prompt"]


def test_a_model_that_never_answers_is_stopped(play, said):
    run = play("react", scripted(said, *[step("calculator", expression="1")] * 20, tool=lambda _: 1))
    assert run.run("For ever?") == "no answer after 6 rounds"
    assert sum(request.resource == "llm" for request in run.asked) == 6


def test_a_step_that_was_cut_is_asked_for_again(play, said):
    run = play("react", scripted(said, '{"thought": "I th', step("answer", text="4")))
    assert run.run("What is 2 + 2?") == "4"


def test_the_examples_fit_the_schema_and_think_before_they_act(play, said):
    run = play("react", scripted(said, step("answer", text="")))
    run.run("x")
    schema = json.loads(run.asked[0].args["schema"])
    examples = [line[6:] for line in run.asked[0].args["prompt"].splitlines() if line.startswith("Step: ")]
    assert len(examples) >= 8
    for example in examples:
        Draft202012Validator(schema).validate(json.loads(example))
    assert all(list(choice["properties"]) == ["thought", "tool", "input"] for choice in schema["anyOf"])
