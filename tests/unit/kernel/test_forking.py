"""Where a journal may be forked, and what stands there then."""

from __future__ import annotations

import pytest

from aios.errors import FinalError, InvalidArgument
from aios.kernel.forking import Side, check, differences, edited, number
from aios.kernel.replay import Entry

REPLY = {
    "finish_reason": "length",
    "message": {"role": "assistant", "content": "old"},
    "usage": {"prompt_tokens": 1},
    "core": "m",
}


def entry(label="agent.now", *results, digest=b"d", **more):
    return Entry(digest, label, results=list(results), **more)


JOURNAL = {
    "1": entry("a", 1),
    "2.1.1": entry("b", 2),
    "2.2.1": entry("c", 3),
    "3": entry("llm.chat", [], REPLY),
    "4": entry("d", open=True),
}


def test_a_number_is_that_of_the_programs_own_request():
    assert [number(seq) for seq in ("3", "4.1.2", "12.3")] == [3, 4, 12]


def test_a_journal_is_forked_only_where_all_is_answered():
    for at in range(4):
        check(JOURNAL, at=at)
    with pytest.raises(InvalidArgument, match="request 4 has no answer yet"):
        check(JOURNAL, at=4)
    for wrong in (5, -1, True, "2"):
        with pytest.raises(InvalidArgument, match="from 0 to 4"):
            check(JOURNAL, at=wrong)


def test_an_edited_answer_of_a_model_keeps_all_but_its_message():
    made = edited(JOURNAL, at=3, edit="new")
    assert made.results == [[], {**REPLY, "message": {"role": "assistant", "content": "new"}}]
    assert made.digest == JOURNAL["3"].digest
    calls = {"tool_calls": [{"id": "1"}], "content": ""}
    assert edited(JOURNAL, at=3, edit=calls).results[1]["message"] == {"role": "assistant", **calls}
    for value, text in ((391, "391"), ({"price": 5}, '{"price": 5}')):
        assert edited(JOURNAL, at=3, edit=value).results[1]["message"] == {"role": "assistant", "content": text}
    assert JOURNAL["3"].results[1] is REPLY


def test_an_edit_mends_what_failed():
    failed = {"1": Entry(b"d", "llm.chat {}", error=FinalError("no"))}
    assert edited(failed, at=1, edit="yes").results[0]["message"]["content"] == "yes"
    assert edited({"1": Entry(b"d", "tool.call", error=FinalError("no"))}, at=1, edit=5).results == [5]


def test_a_gather_and_a_bad_message_cannot_be_edited():
    with pytest.raises(InvalidArgument, match="gather"):
        edited(JOURNAL, at=2, edit=1)
    for wrong in ({"role": "user", "content": "x"}, {"role": "assistant"}):
        with pytest.raises(InvalidArgument, match="a model's answer is a text"):
            edited(JOURNAL, at=3, edit=wrong)


def test_journals_are_compared_by_what_was_asked_and_answered():
    other = {**REPLY, "usage": {"prompt_tokens": 9}}
    right = {"1": entry("a", 1), "2.1.1": entry("b", 5), "3": entry("llm.chat", [], other), "9": entry("e", 1)}
    sides = {found.seq: found.side for found in differences(JOURNAL, right)}
    assert sides == {
        "1": Side.SAME,
        "2.1.1": Side.CHANGED,
        "2.2.1": Side.LEFT,
        "3": Side.SAME,
        "4": Side.LEFT,
        "9": Side.RIGHT,
    }
