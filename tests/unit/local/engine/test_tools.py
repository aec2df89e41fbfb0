import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios.local.engine import tools
from aios.local.engine.bodies import ChatBody
from aios.local.engine.refusal import Refusal

WEATHER = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"properties": {"city": {"type": "string"}}, "required": ["city"]}},
}


def chat(**more):
    return ChatBody.model_validate({"messages": [{"role": "user", "content": "hi"}], "tools": [WEATHER], **more})


def names(body):
    offered = tools.offer(body)
    assert offered is not None
    ways = json.loads(offered.schema)["properties"]["function"]["anyOf"]
    return [way["properties"]["_name"]["const"] for way in ways]


def test_only_auto_offers_no_tool():
    assert names(chat()) == ["weather", "no_tool"]
    assert names(chat(tool_choice="required")) == ["weather"]
    assert names(chat(tool_choice={"type": "function", "function": {"name": "weather"}})) == ["weather"]
    assert tools.offer(chat(tool_choice="none")) is None


@pytest.mark.parametrize(
    "more", [{"tool_choice": "absent"}, {"response_format": {"type": "json", "value": {"type": "object"}}}]
)
def test_what_does_not_go_together_is_a_tool_error(more):
    with pytest.raises(Refusal) as caught:
        tools.offer(chat(**more))
    assert (caught.value.kind, caught.value.status) == ("tool_error", 422)


def test_a_whole_call_is_read():
    assert tools.spoken('{"function": {"_name": "weather", "city": "Ulm"}}') == ("weather", '{"city":"Ulm"}')
    assert tools.spoken('{"function": {"_name": "no_tool"}}') is None


def test_a_call_that_was_cut_is_a_tool_error():
    with pytest.raises(Refusal):
        tools.spoken('{"function": {"_name": "wea')


@given(
    st.dictionaries(st.text(max_size=5), st.text(max_size=8) | st.lists(st.integers(), max_size=2), max_size=3),
    st.sampled_from([None, 1]),
    st.data(),
)
def test_deltas_join_to_the_arguments_wherever_the_tokens_end(arguments, indent, data):
    arguments.pop("_name", None)
    text = json.dumps({"function": {"_name": "weather", **arguments}}, indent=indent)
    deltas, joined = tools.Deltas(), ""
    while text:
        cut = data.draw(st.integers(min_value=1, max_value=len(text)))
        joined += deltas.push(text[:cut]) or ""
        text = text[cut:]
    assert deltas.name == "weather"
    assert json.loads(joined) == arguments
