"""Names of tools as models may speak them: there and back, whatever they are."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from aios.kernel.spoken import message_as_spoken, spoken

names = st.lists(
    st.one_of(st.sampled_from(["a.b", "a_b", "a-b", "a.b_2", "a_b_2", "a/b"]), st.text(min_size=1, max_size=80))
)


@settings(max_examples=100)
@given(names)
def test_every_name_can_be_spoken_and_no_two_are_alike(given_names):
    said = spoken(given_names)
    assert set(said) == set(given_names)
    assert len(set(said.values())) == len(said)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name) for name in said.values())


def test_fault_28_a_name_that_can_be_spoken_stays_what_it_is_whatever_else_is_offered():
    assert spoken(["web.fetch", "web_fetch", "my__tool"]) == {
        "web.fetch": "web_fetch_2",
        "web_fetch": "web_fetch",
        "my__tool": "my__tool",
    }


def test_fault_28_a_conversation_is_not_changed_in_place():
    call = {"id": "1", "type": "function", "function": {"name": "a.b", "arguments": {}}}
    message = {"role": "assistant", "content": "", "tool_calls": [call]}
    changed = message_as_spoken(message, {"a.b": "a_b"})
    assert changed["tool_calls"][0]["function"]["name"] == "a_b"
    assert message["tool_calls"][0]["function"]["name"] == "a.b"
    assert message_as_spoken({"role": "tool", "name": "a.b", "content": "1"}, {"a.b": "a_b"})["name"] == "a_b"
    assert message_as_spoken({"role": "user", "content": "x"}, {"a.b": "a_b"}) == {"role": "user", "content": "x"}
