"""Contexts: digests of conversations."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aios.errors import NotJson
from aios.kernel.contexts import ROOT, Chains, link

messages = st.lists(
    st.fixed_dictionaries(
        {
            "role": st.sampled_from(["user", "assistant"]),
            "content": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20),
        }
    ),
    min_size=1,
    max_size=8,
)


@given(messages)
def test_a_digest_is_the_chain_of_its_messages_and_does_not_depend_on_what_was_asked_before(conversation):
    plain, parent = [], ROOT
    for message in conversation:
        parent = link(parent, message)
        plain.append(parent)
    chains = Chains()
    assert chains.digests(conversation) == plain
    assert chains.digests(conversation) == plain
    assert chains.digests(conversation[:1]) == plain[:1]


anything = st.dictionaries(st.sampled_from(["role", "content", "name"]), st.text(max_size=4) | st.none(), max_size=3)


@given(anything, anything, st.sampled_from([ROOT, b"x"]), st.sampled_from([ROOT, b"x"]))
def test_what_has_only_a_role_and_a_text_is_never_taken_for_anything_else(one, other, parent, before):
    try:
        same = link(parent, one) == link(before, other)
    except NotJson:
        return
    assert same == ((parent, one) == (before, other))


@pytest.mark.parametrize("text", ["\x00", "a\x00b", "\ud800"])
@pytest.mark.parametrize("where", ["role", "content"])
def test_a_text_that_cannot_be_stored_is_refused(text, where):
    with pytest.raises(NotJson):
        link(ROOT, {"role": "user", "content": "a"} | {where: text})


@given(messages, messages)
def test_different_conversations_have_different_digests(one, other):
    assert (Chains().digests(one)[-1] == Chains().digests(other)[-1]) == (one == other)


def test_a_changed_message_in_a_reused_list_is_seen():
    chains, talk = Chains(), [{"role": "user", "content": "a"}]
    before = chains.digests(talk)
    talk[0]["content"] = "b"
    assert chains.digests(talk) != before


def test_a_change_inside_a_message_is_seen():
    chains, talk = Chains(), [{"role": "assistant", "content": "a", "tool_calls": [{"name": "clock"}]}]
    chains.digests(talk)
    talk[0]["tool_calls"][0]["name"] = "text"
    assert chains.digests(talk) == [link(ROOT, talk[0])]


@given(st.lists(messages, min_size=1, max_size=5))
def test_conversations_that_share_a_beginning_do_not_disturb_each_other(talks):
    chains = Chains()
    for talk in [*talks, *(talk[::2] for talk in talks), *(one + other for one in talks for other in talks)]:
        assert chains.digests(talk) == Chains().digests(talk)
