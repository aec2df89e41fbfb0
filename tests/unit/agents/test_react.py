"""React: each observation is in the next prompt, errors are observations too, and the rounds are bounded."""

from __future__ import annotations

import json

from jsonschema import Draft202012Validator

from aios import Reply
from aios.errors import BadToolArguments
from aios.testing import play


def step(tool, **arguments):
    return {"thought": "I think.", "tool": tool, "input": arguments}


def test_an_observation_is_in_the_next_prompt(shipped):
    steps = [step("calculator", expression="17 * 23"), step("answer", text="391")]
    played = play(shipped["react"], "What is\n17 * 23?", llm=steps)
    assert played.result == "391"
    assert [line.name for line in played.journal] == ["llm.complete", "tool.call", "llm.complete"]
    assert played.journal[1].arguments == {"tool": "calculator", "arguments": {"expression": "17 * 23"}}
    first, second = (prompt.text for prompt in played.asked)
    assert first.endswith("\nQuestion: What is 17 * 23?\nStep:")
    assert second.endswith('"17 * 23"}}\nObservation: 391\nStep:')


def test_a_tools_error_is_an_observation_that_the_model_may_repair(shipped):
    def clock(zone):
        if zone == "Asia/Delhi":
            raise BadToolArguments("clock", ["zone: did you mean Asia/Kolkata?"])
        return {"time": "14:05:00"}

    steps = [step("clock", zone="Asia/Delhi"), step("clock", zone="Asia/Kolkata"), step("answer", text="14:05")]
    played = play(shipped["react"], "What time is it in Delhi?", llm=steps, tools={"clock": clock})
    assert played.result == "14:05"
    assert "Observation: error: " in played.asked[1].text
    assert "did you mean Asia/Kolkata?" in played.asked[1].text


def test_a_model_that_never_answers_is_stopped(shipped):
    played = play(shipped["react"], "For ever?", llm=lambda _: step("calculator", expression="1"))
    assert played.result == "no answer after 6 rounds"
    assert len(played.asked) == 6


def test_a_step_that_was_cut_is_asked_for_again(shipped):
    cut = Reply('{"thought": "I th', finish_reason="length")
    assert play(shipped["react"], "What is 2 + 2?", llm=[cut, step("answer", text="4")]).result == "4"


def test_the_examples_fit_the_schema_and_think_before_they_act(shipped):
    (prompt,) = play(shipped["react"], "x", llm=step("answer", text="")).asked
    examples = [line[6:] for line in prompt.text.splitlines() if line.startswith("Step: ")]
    assert len(examples) >= 8
    for example in examples:
        Draft202012Validator(prompt.schema).validate(json.loads(example))
    assert all(list(choice["properties"]) == ["thought", "tool", "input"] for choice in prompt.schema["anyOf"])


def test_a_task_that_is_no_text_is_asked_as_json(shipped):
    played = play(shipped["react"], {"add": [1, 2]}, llm=step("answer", text="3"))
    assert played.result == "3"
    assert 'Question: {"add": [1, 2]}\n' in played.asked[0].text
