"""What `agent.llm.chat` takes for a conversation, however often it has seen the beginning of it."""

from __future__ import annotations

import pytest

from aios.errors import InvalidArgument, NotJson
from aios.kernel.resources.llm import LLM
from aios.kernel.values import canonical

HELLO = {"role": "user", "content": "hello"}
ANSWER = {"role": "assistant", "content": "good morning"}


@pytest.mark.parametrize("wrong", [{"role": "nobody", "content": "x"}, {"role": "user"}, {"content": "x"}, "x", None])
@pytest.mark.parametrize("before", [[], [HELLO], [HELLO, ANSWER]])
def test_a_message_that_is_none_is_refused_also_behind_those_that_were_asked_with_before(before, wrong):
    llm = LLM()
    if before:
        llm.chat(before)
    with pytest.raises(InvalidArgument, match="message"):
        llm.chat([*before, wrong])


def test_a_conversation_may_grow_shrink_and_become_another_one():
    llm = LLM()
    other = {"role": "system", "content": "be brief"}
    for said in ([HELLO], [HELLO, ANSWER], [HELLO, ANSWER, HELLO], [HELLO], [other, HELLO], (other, HELLO, ANSWER)):
        assert llm.chat(said).messages == list(said)
    assert llm.chat("hello").messages == [HELLO]
    with pytest.raises(InvalidArgument, match="messages"):
        llm.chat([])


def test_what_was_asked_does_not_change_with_the_programs_list():
    llm, said = LLM(), [HELLO]
    asked = llm.chat(said)
    said.append(ANSWER)
    assert asked.messages == [HELLO]
    assert llm.chat(said).messages == [HELLO, ANSWER]


def test_options_are_those_of_this_call_and_not_of_one_like_it():
    llm, used = LLM(), [1, 1.0, True, 0.0, -0.0, 1, None]
    asked = [llm.complete("hello", temperature=value) for value in used]
    assert [repr(one.args["sampling"].get("temperature")) for one in asked] == [repr(value) for value in used]


def test_a_request_knows_its_arguments_text_whatever_was_asked_before():
    llm = LLM()
    for more in (
        {},
        {"model": "a"},
        {"model": "a"},
        {"recall": 2},
        {},
        {"schema": {"type": "object"}},
        {"context": "drop_oldest"},
    ):
        asked = llm.chat([HELLO], max_tokens=8, **more)
        assert asked.text == canonical(asked.args)


def test_tools_may_come_from_anything_that_gives_them_once():
    llm = LLM()
    asked = [llm.chat("hello", tools=(name for name in names)) for names in (["clock"], ["text", "clock"])]
    assert [one.args["tools"] for one in asked] == [["clock"], ["text", "clock"]]


def test_an_option_that_is_no_json_is_refused_each_time():
    llm = LLM()
    for _ in range(2):
        with pytest.raises(NotJson):
            llm.chat("hello", seed=object())
