"""A prompt in OpenAI's words."""

import json
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from aios.kernel.chat import Sampling, ToolCall, ToolSpec, Usage
from aios.kernel.ports import Finish
from aios.llm import spoken

CALL = {"id": "c1", "type": "function", "function": {"name": "web.fetch", "arguments": {"url": "http://x"}}}
NOBODY = spoken.Names.of([])


def test_a_name_that_openai_refuses_is_written_otherwise_and_read_back():
    names = spoken.Names.of(["web.fetch", "clock"])
    assert (names.write("web.fetch"), names.write("clock")) == ("web_fetch", "clock")
    finish = Finish("", "stop", Usage(), (ToolCall("web_fetch", {}), ToolCall("clock", {}), ToolCall("made_up", {})))
    assert [call.name for call in names.read(finish).tool_calls] == ["web.fetch", "clock", "made_up"]


def test_a_legal_name_keeps_its_underscores_beside_one_that_would_be_written_like_it():
    names = spoken.Names.of(["my/tool", "my_tool", "my__tool"])
    assert names.write("my_tool") == "my_tool"
    assert names.write("my__tool") == "my__tool"
    assert names.write("my/tool") == "my_tool_2"


@settings(max_examples=60)
@given(st.lists(st.text("ab_./é", max_size=70), max_size=8))
def test_any_names_are_written_legally_and_each_by_its_own(given_names):
    names = spoken.Names.of(given_names)
    written = [names.write(name) for name in set(given_names)]
    assert len(set(written)) == len(written)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) for name in written)


def test_arguments_become_text_and_a_result_finds_its_call():
    said = spoken.messages(
        [
            {"role": "user", "content": "look"},
            {"role": "assistant", "content": "", "tool_calls": [CALL]},
            {"role": "tool", "content": {"n": 1}},
        ],
        spoken.Names.of(["web.fetch"]),
    )
    assert said[1]["content"] is None
    function = said[1]["tool_calls"][0]["function"]
    assert (function["name"], json.loads(function["arguments"])) == ("web_fetch", {"url": "http://x"})
    assert said[2] == {"role": "tool", "tool_call_id": "c1", "content": '{"n": 1}'}


def test_calls_and_results_without_ids_are_paired_in_order():
    plain = {"function": {"name": "clock", "arguments": "{}"}}
    said = spoken.messages(
        [
            {"role": "assistant", "content": "", "tool_calls": [plain, plain]},
            {"role": "tool", "content": "1"},
            {"role": "tool", "content": "2"},
        ],
        NOBODY,
    )
    assert [m["tool_call_id"] for m in said[1:]] == [call["id"] for call in said[0]["tool_calls"]]


def test_the_callers_own_objects_are_left_as_they_are():
    message = {"role": "assistant", "content": "", "tool_calls": [CALL]}
    before = json.dumps(message)
    spoken.messages([message], spoken.Names.of(["web.fetch"]))
    spec = ToolSpec("web.fetch", "d", {"type": "object"})
    assert spoken.tools([spec], spoken.Names.of(["web.fetch"]))[0]["function"]["name"] == "web_fetch"
    assert (json.dumps(message), spec.name) == (before, "web.fetch")


def test_sampling_is_sent_where_a_server_looks_for_it():
    own, extra = spoken.parameters(
        Sampling(max_tokens=5, temperature=0.0, top_k=4, seed=7, stop=("x",)), default_tokens=9
    )
    assert own == {"max_tokens": 5, "temperature": 0.0, "seed": 7, "stop": ["x"]}
    assert extra == {"top_k": 4}
    assert spoken.parameters(Sampling(), default_tokens=9) == ({"max_tokens": 9}, {})
