"""What `agent.llm.chat` takes for a conversation, however often it has seen the beginning of it."""

from __future__ import annotations

import pytest

from aios.errors import InvalidArgument
from aios.kernel.resources.llm import LLM

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
