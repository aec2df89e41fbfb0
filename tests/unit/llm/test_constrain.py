import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from aios.kernel.chat import ToolCall, ToolExample, ToolSpec, Usage
from aios.kernel.ports import Finish
from aios.llm.constrain import constrain, plain, sample, strict

CALCULATOR = ToolSpec(
    "calculator",
    "Evaluate an arithmetic expression.",
    {
        "type": "object",
        "properties": {"expression": {"type": "string", "examples": ["2 + 2"]}},
        "required": ["expression"],
    },
)
MAILER = ToolSpec(
    "mail",
    "Send a mail.",
    {
        "type": "object",
        "$defs": {"Person": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}},
        "properties": {"to": {"$ref": "#/$defs/Person"}, "urgent": {"type": "boolean", "default": False}},
        "required": ["to"],
    },
)
ASKED = [{"role": "user", "content": "What is 17 * 23?"}]


def finish(text):
    return Finish(text=text, reason="stop", usage=Usage(1, 1))


def test_the_prompt_shows_each_tool_an_example_and_ends_where_the_model_goes_on():
    text = constrain(messages=ASKED, tools=[CALCULATOR, MAILER]).text
    assert "# Evaluate an arithmetic expression.\nRequest: Evaluate an arithmetic expression: 2 + 2\n" in text
    assert 'Call: {"name": "calculator", "arguments": {"expression": "2 + 2"}}' in text
    assert text.endswith("Request: What is 17 * 23?\nCall:")


def test_a_tools_own_examples_are_shown_in_a_users_words():
    spec = replace(CALCULATOR, examples=(ToolExample("What is 1 + 1?", {"expression": "1 + 1"}),))
    text = constrain(messages=ASKED, tools=[spec]).text
    assert 'Request: What is 1 + 1?\nCall: {"name": "calculator", "arguments": {"expression": "1 + 1"}}' in text
    assert "2 + 2" not in text


def test_a_system_message_stands_first():
    messages = [{"role": "system", "content": "Be brief."}, *ASKED]
    assert constrain(messages=messages, tools=[CALCULATOR]).text.startswith("Be brief.\n\n")


def test_a_call_and_a_reply_are_told_apart():
    asked = constrain(messages=ASKED, tools=[CALCULATOR])
    call = asked.read(finish('{"name": "calculator", "arguments": {"expression": "17 * 23"}}'))
    assert (call.text, call.tool_calls) == ("", (ToolCall("calculator", {"expression": "17 * 23"}, "call_1"),))
    reply = asked.read(finish('{"name": "answer", "arguments": {"text": "391"}}'))
    assert (reply.text, reply.tool_calls) == ("391", ())


def test_an_answer_cut_short_stays_as_text():
    asked = constrain(messages=ASKED, tools=[CALCULATOR])
    assert asked.read(finish('{"name": "calc')).text == '{"name": "calc'


def test_earlier_calls_and_results_are_in_the_prompt_and_ids_count_on():
    past = ToolCall("calculator", {"expression": "17 * 23"}, "call_1").to_json()
    messages = [
        *ASKED,
        {"role": "assistant", "content": "", "tool_calls": [past]},
        {"role": "tool", "content": "391", "tool_call_id": "call_1"},
    ]
    asked = constrain(messages=messages, tools=[CALCULATOR])
    assert asked.text.endswith(
        'Call: {"name": "calculator", "arguments": {"expression": "17 * 23"}}\nResult: 391\nCall:'
    )
    said = asked.read(finish('{"name": "calculator", "arguments": {"expression": "1"}}'))
    assert said.tool_calls[0].id == "call_2"


def test_examples_end_with_a_reply_once_a_result_is_there_and_not_before():
    past = ToolCall("calculator", {"expression": "1"}, "call_1").to_json()
    told = [*ASKED, {"role": "assistant", "content": "", "tool_calls": [past]}, {"role": "tool", "content": "1"}]
    ending = 'Result: 42\nCall: {"name": "answer", "arguments": {"text": "42"}}'
    assert ending in constrain(messages=told, tools=[CALCULATOR]).text
    assert ending not in constrain(messages=ASKED, tools=[CALCULATOR]).text


def test_a_tool_named_answer_does_not_hide_the_reply():
    tool = ToolSpec("answer", "Answer the phone.", {"type": "object", "properties": {}})
    asked = constrain(messages=ASKED, tools=[tool])
    assert asked.answer != "answer"
    assert asked.read(finish('{"name": "answer", "arguments": {}}')).tool_calls[0].name == "answer"


def test_the_grammar_takes_calls_of_the_tools_and_nothing_else():
    schema = constrain(messages=ASKED, tools=[CALCULATOR, MAILER]).schema
    Draft202012Validator.check_schema(schema)
    fits = Draft202012Validator(schema).is_valid
    assert fits({"name": "calculator", "arguments": {"expression": "1"}})
    assert fits({"name": "mail", "arguments": {"to": {"name": "Ann"}}})
    assert fits({"name": "answer", "arguments": {"text": "hi"}})
    assert not fits({"name": "mail", "arguments": {"to": "Ann"}})
    assert not fits({"name": "rm", "arguments": {}})


def test_a_reply_with_a_schema_is_json_that_fits_it():
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    asked = constrain(messages=ASKED, tools=[CALCULATOR], schema=schema)
    assert Draft202012Validator(asked.schema).is_valid({"name": "answer", "arguments": {"n": 1}})
    assert json.loads(asked.read(finish('{"name": "answer", "arguments": {"n": 1}}')).text) == {"n": 1}


def test_definitions_of_two_tools_do_not_mix():
    other = ToolSpec(
        "count", "Count.", {"$defs": {"Person": {"type": "integer"}}, "properties": {"p": {"$ref": "#/$defs/Person"}}}
    )
    fits = Draft202012Validator(constrain(messages=ASKED, tools=[MAILER, other]).schema).is_valid
    assert fits({"name": "mail", "arguments": {"to": {"name": "Ann"}}})
    assert fits({"name": "count", "arguments": {"p": 3}})
    assert not fits({"name": "count", "arguments": {"p": {"name": "Ann"}}})


def test_no_null_is_left_for_the_client_to_drop():
    assert strict({"const": None}) == {"type": "null"}
    assert strict({"anyOf": [{"type": "integer"}, {"const": None}], "default": None}) == {
        "anyOf": [{"type": "integer"}, {"type": "null"}]
    }


def test_a_conversation_with_tools_becomes_one_that_every_template_knows():
    past = ToolCall("clock", {}, "1").to_json()
    messages = [
        {"role": "assistant", "content": "wait", "tool_calls": [past]},
        {"role": "tool", "name": "clock", "content": "noon"},
    ]
    assert plain(messages) == [
        {"role": "assistant", "content": 'wait\nCall: {"name": "clock", "arguments": {}}'},
        {"role": "user", "content": "Result of clock: noon"},
    ]


def test_parts_of_a_message_are_joined():
    parts = [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {}}, {"type": "text", "text": "b"}]
    assert plain([{"role": "user", "content": parts}])[0]["content"] == "a\n\nb"


PLAIN = st.sampled_from(
    [{"type": t} for t in ("string", "integer", "number", "boolean", "null")] + [{"enum": ["x", 3]}, {"const": "c"}]
)
SCHEMAS = st.recursive(
    PLAIN,
    lambda inner: st.one_of(
        st.builds(lambda i: {"type": "array", "items": i}, inner),
        st.builds(lambda a, b: {"anyOf": [a, b]}, inner, inner),
        st.builds(
            lambda p: {"type": "object", "properties": p, "required": sorted(p)},
            st.dictionaries(st.sampled_from("abc"), inner, min_size=1),
        ),
    ),
    max_leaves=8,
)


@given(SCHEMAS)
def test_a_sample_fits_its_schema(schema):
    Draft202012Validator(schema).validate(sample(schema, schema, depth=20))


DAY = {"type": "string"}


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"properties": {"start": DAY, "end": {"$ref": "#/properties/start"}}}, {"end": "monday"}, {"end": 3}),
        (
            {"properties": {"end": {"$ref": "#/definitions/Day"}}, "definitions": {"Day": DAY}},
            {"end": "monday"},
            {"end": 3},
        ),
        (
            {"properties": {"n": {"type": "integer"}, "next": {"$ref": "#"}}, "required": ["n"]},
            {"n": 1, "next": {"n": 2}},
            {"n": 1, "next": {"name": "events", "arguments": {"n": 1}}},
        ),
    ],
    ids=["properties", "definitions", "itself"],
)
def test_what_refers_to_a_part_of_its_own_schema_still_does_in_the_grammar(schema, good, bad):
    events = ToolSpec("events", "List events.", {"type": "object", **schema})
    asked = constrain(messages=[{"role": "user", "content": "Hello"}], tools=[CALCULATOR, events])
    grammar = Draft202012Validator(asked.schema)
    assert grammar.is_valid({"name": "events", "arguments": good})
    assert not grammar.is_valid({"name": "events", "arguments": bad})
