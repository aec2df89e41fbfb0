"""Which turns stay: nothing is torn apart, and what must stay does."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios.errors import InvalidArgument
from aios.kernel import windows
from aios.kernel.windows import Strategy, strategy_of


def said(role, text="x", **more):
    return {"role": role, "content": text, **more}


def searched(search, threshold):
    """What a search tries where `threshold` and more fit, and what it finds."""
    tries = []
    try:
        tries.append(next(search))
        while True:
            tries.append(search.send(tries[-1] >= threshold))
    except StopIteration as found:
        return tries, found.value


def called(text="c"):
    call = {"id": "1", "type": "function", "function": {"name": "t", "arguments": {"a": 1}}}
    return {"role": "assistant", "content": text, "tool_calls": [call]}


TURN = st.one_of(
    st.builds(lambda t: [said("user", t)], st.text("ab ", max_size=9)),
    st.builds(lambda t: [said("assistant", t)], st.text("ab ", max_size=9)),
    st.builds(lambda t: [said("user", t, pinned=True)], st.text("ab ", max_size=9)),
    st.builds(lambda t: [said("system", t)], st.text("ab ", max_size=9)),
    st.builds(lambda n: [called(), *(said("tool", "r") for _ in range(n))], st.integers(1, 3)),
)
TALK = st.lists(TURN, min_size=1, max_size=12).map(lambda parts: [m for part in parts for m in part])


@given(TALK, st.integers(0, 12))
@settings(max_examples=100)
def test_what_goes_are_whole_turns_oldest_first_and_never_what_must_stay(talk, count):
    away = windows.gone(talk, count)
    left = windows.without(talk, away)
    assert [m for m in talk if m["role"] == "system" or m.get("pinned")] == [
        m for m in left if m["role"] == "system" or m.get("pinned")
    ]
    questions = [i for i, m in enumerate(talk) if m["role"] == "user"]
    assert not questions or questions[-1] not in away
    assert len(talk) - 1 not in away
    for i, message in enumerate(talk):
        if message["role"] == "tool":
            caller = max(j for j in range(i) if talk[j]["role"] != "tool")
            assert (i in away) == (caller in away)
    youngest = max(away, default=-1)
    kept_older = [t for t in windows.droppable(talk) if t.start < youngest and t.start not in away]
    assert not kept_older


@given(TALK)
@settings(max_examples=50)
def test_turns_cover_a_conversation_without_a_gap(talk):
    found = windows.turns(talk)
    assert [i for turn in found for i in range(turn.start, turn.stop)] == list(range(len(talk)))


@given(st.integers(1, 60), st.integers(0, 60), st.integers(-5, 70))
@settings(max_examples=150)
def test_the_search_finds_the_smallest_number_that_fits_in_few_tries(most, threshold, start):
    tries, found = searched(windows.fewest(most, start=start), threshold)
    assert found == (max(threshold, 1) if threshold <= most else None)
    assert all(1 <= tried <= most for tried in tries)
    assert len(tries) == len(set(tries)) <= 14


def test_a_good_guess_costs_two_tries():
    search = windows.fewest(1000, start=500)
    assert next(search) == 500
    assert search.send(True) == 499
    with pytest.raises(StopIteration) as found:
        search.send(False)
    assert found.value.value == 500


@given(TALK, st.integers(20, 60))
@settings(max_examples=50)
def test_pages_are_short_and_lose_no_word(talk, longest):
    told = windows.pages(talk, longest=longest)
    assert all(len(page) <= longest for page in told)
    words = " ".join(page.partition(": ")[2] for page in told)
    for message in talk:
        assert "".join(message["content"].split()) in "".join(words.split())


def test_a_core_never_sees_the_pin_and_the_callers_messages_are_left_alone():
    """FAULTS 28: the caller's own objects were changed in place."""
    talk = [said("user", "a", pinned=True), said("user", "b")]
    assert windows.unpinned(talk) == [said("user", "a"), said("user", "b")]
    assert talk[0]["pinned"] is True


def test_an_unknown_strategy_is_named_with_a_near_one():
    assert strategy_of("page_out") is Strategy.PAGE_OUT
    with pytest.raises(InvalidArgument, match="did you mean 'summarise'"):
        strategy_of("summarize")
