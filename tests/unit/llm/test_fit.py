"""Fitting a conversation into a window by the core's own count."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios.errors import ContextOverflow
from aios.kernel.chat import Sampling
from aios.kernel.ports import CoreInfo, Prompt
from aios.llm.fit import fit
from aios.testing import FakeDriver

WORDS = "one two three four five six seven eight nine ten"


def talk(turns, *, system=True, words=WORDS):
    start = [{"role": "system", "content": "be kind"}] if system else []
    asked = [{"role": r, "content": f"{i} {words}"} for i in range(turns) for r in ("user", "assistant")]
    return [*start, *asked, {"role": "user", "content": "and now?"}]


class Counting(FakeDriver):
    counts = 0

    async def count(self, prompt):
        self.counts += 1
        return await super().count(prompt)


def fitted(messages, strategy, *, window=200, max_tokens=20, driver=None):
    prompt = Prompt(messages=messages, sampling=Sampling(max_tokens=max_tokens))
    core = driver or FakeDriver(window_tokens=window)
    return asyncio.run(fit(prompt, driver=core, strategy=strategy, reply_tokens=50))


def tokens(messages):
    return asyncio.run(FakeDriver().count(Prompt(messages=messages)))


def test_a_short_conversation_is_not_even_counted():
    core = Counting(window_tokens=2048)
    assert fitted(talk(2), "drop_oldest", driver=core).dropped is None
    assert core.counts == 0


def test_the_fewest_of_the_oldest_turns_go_and_it_is_told():
    messages = talk(40)
    made = fitted(messages, "drop_oldest")
    left = list(made.prompt.messages)
    assert left[0] == messages[0]
    assert left[1:] == messages[len(messages) - len(left) + 1 :]
    assert tokens(left) <= 180 < tokens([messages[0], *messages[len(messages) - len(left) :]])
    assert made.dropped.messages == len(messages) - len(left)
    assert made.dropped.strategy == "drop_oldest"


@given(st.lists(st.integers(0, 30), min_size=1, max_size=40), st.integers(30, 400))
@settings(max_examples=40, deadline=None)
def test_what_is_asked_always_fits_or_is_refused(lengths, window):
    messages = [{"role": "user", "content": "w " * n} for n in lengths]
    try:
        made = fitted(messages, "drop_oldest", window=window)
    except ContextOverflow:
        assert tokens(messages[-1:]) > window - 20
        return
    assert tokens(made.prompt.messages) <= window - 20
    assert made.prompt.messages[-1] == messages[-1]


def test_without_a_strategy_nothing_is_dropped_and_the_error_says_what_to_do():
    with pytest.raises(ContextOverflow, match="drop_oldest") as raised:
        fitted(talk(40), "error")
    assert raised.value.turns == 0


@pytest.mark.parametrize("strategy", ["summarise", "page_out"])
def test_a_fold_leaves_half_of_the_room_so_that_not_every_turn_folds(strategy):
    messages = talk(40)
    with pytest.raises(ContextOverflow) as raised:
        fitted(messages, strategy)
    assert raised.value.room == 180
    from aios.kernel import windows

    left = windows.without(messages, windows.gone(messages, raised.value.turns))
    assert 60 < tokens(left) <= 90


def test_pinned_turns_stay_without_their_mark():
    messages = talk(40)
    messages[3] = {**messages[3], "pinned": True}
    left = fitted(messages, "drop_oldest").prompt.messages
    assert left[1] == {"role": "user", "content": messages[3]["content"]}


def test_what_must_stay_and_does_not_fit_is_an_error_at_every_strategy():
    messages = [{"role": "system", "content": "w " * 300}, *talk(3, system=False)]
    for strategy in ("error", "drop_oldest", "summarise", "page_out"):
        with pytest.raises(ContextOverflow) as raised:
            fitted(messages, strategy)
        assert raised.value.turns == 0


def test_a_reply_without_a_limit_gets_what_is_left_under_error_and_room_where_turns_may_go():
    messages = talk(7)
    window = tokens(messages) + 10
    assert fitted(messages, "error", max_tokens=None, window=window).dropped is None
    assert fitted(messages, "drop_oldest", max_tokens=None, window=window).dropped is not None


def test_a_conversation_far_beyond_the_window_is_never_counted_whole():
    core = Counting(window_tokens=200)
    asked = []
    count = core.count

    async def seen(prompt):
        asked.append(len(prompt.messages))
        return await count(prompt)

    core.count = seen
    made = fitted(talk(2000), "drop_oldest", driver=core)
    assert made.dropped.messages > 3900
    assert max(asked) < 400
    assert len(asked) < 14


class Mute:
    """A driver that cannot count, as of a hosted API."""

    name = "mute"
    resume = "rerun"

    async def info(self):
        return CoreInfo(model="m", max_total_tokens=200, max_concurrent=4)


def test_a_core_that_cannot_count_refuses_for_itself_but_turns_that_may_go_are_estimated():
    messages = talk(40)
    assert list(fitted(messages, "error", driver=Mute()).prompt.messages) == messages
    made = fitted(messages, "drop_oldest", driver=Mute())
    assert 0 < len(made.prompt.messages) < 20
    with pytest.raises(ContextOverflow) as raised:
        fitted(messages, "page_out", driver=Mute())
    assert raised.value.turns > 0


def test_a_core_may_take_shorter_prompts_than_its_window_has_room_for():
    class Short(FakeDriver):
        async def info(self):
            return replace(await super().info(), max_input_tokens=60)

    made = fitted(talk(10), "drop_oldest", driver=Short(window_tokens=2048))
    assert tokens(made.prompt.messages) <= 60
    with pytest.raises(ContextOverflow, match="room for 60"):
        fitted(talk(10), "error", driver=Short(window_tokens=2048))


@pytest.mark.parametrize("strategy", ["drop_oldest", "page_out"])
def test_notes_that_there_is_no_room_for_are_left_out_the_last_ones_first_and_told(strategy):
    notes = [f"note {n} " + "w " * 20 for n in range(8)]
    prompt = Prompt(messages=talk(0), notes=notes, sampling=Sampling(max_tokens=20))
    made = asyncio.run(fit(prompt, driver=FakeDriver(window_tokens=200), strategy=strategy, reply_tokens=50))
    told = made.prompt.messages[0]["content"]
    assert "note 0" in told
    assert "note 7" not in told
    assert told.count("note") == 8 - made.dropped.notes > 1
    assert made.dropped.messages == 0
    assert tokens(made.prompt.messages) <= 180


def test_notes_are_told_whole_where_there_is_room_and_under_error_too_many_are_an_error():
    prompt = Prompt(messages=talk(1), notes=["blue"], sampling=Sampling(max_tokens=20))
    made = asyncio.run(fit(prompt, driver=FakeDriver(window_tokens=200), strategy="error", reply_tokens=50))
    assert "- blue" in made.prompt.messages[0]["content"]
    many = replace(prompt, notes=["w " * 300])
    with pytest.raises(ContextOverflow):
        asyncio.run(fit(many, driver=FakeDriver(window_tokens=200), strategy="error", reply_tokens=50))
