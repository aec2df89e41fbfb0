"""Slices on a core without a socket: what is kept at a boundary, who may go on, and what a reader is shown."""

import time
from dataclasses import replace
from uuid import uuid4

import pytest

from aios.errors import BrokerUnavailable, DatabaseUnavailable, EngineFailed, Ignored, Preempted
from aios.kernel.ports import Claimed
from aios.llm.executor import LLMExecutor
from aios.llm.follow import End, Piece, Rewind, Thread
from aios.llm.slices import Slicer
from aios.llm.streams import END_INDEX, Entry, Position
from aios.settings import LLMSettings
from aios.testing import FakeCheckpoints, FakeDriver, FakeRivals, FakeSink, FakeToolBox

WORDS = " ".join(f"w{i}" for i in range(1, 21))  # 39 tokens, spaces among them


def claimed(*, stop=(), attempt=1, slice_tokens=8):
    payload = {"sampling": {"max_tokens": 64, "stop": list(stop)}, "prompt": "hi", "slice": slice_tokens}
    return Claimed(
        id=uuid4(), agent_id=uuid4(), request_id=uuid4(), position=0, pool="llm", op="complete", payload=payload,
        token=uuid4(), attempt=attempt, errors=0, priority=5, program="p", tenant="", seconds_left=30.0,
    )  # fmt: skip


def again(call):
    """The next claim of the same syscall."""
    return replace(call, token=uuid4(), attempt=call.attempt + 1)


class Bench:
    def __init__(self, said=WORDS, *, better=lambda _: False, resume="kv"):
        self.driver = FakeDriver(said, resume=resume)
        self.sink, self.checkpoints, self.rivals = FakeSink(), FakeCheckpoints(), FakeRivals(better)
        self.executor = LLMExecutor(
            self.driver,
            sink=self.sink,
            toolbox=FakeToolBox({}),
            settings=LLMSettings(),
            slicer=Slicer(self.checkpoints, self.rivals),
        )

    def shown(self, call):
        """What a reader makes of all attempts: the text, and how often something was taken back."""
        self.executor.drain()
        thread, text, back = Thread(), "", 0
        for attempt in range(1, call.attempt + 1):
            entries = [
                Entry(Position(attempt, t.index), ((t.id, t.text),))
                for t in self.sink.tokens.get((call.id, attempt), [])
            ]
            entries.append(Entry(Position(attempt, END_INDEX), end=self.sink.ends.get((call.id, attempt), "again")))
            for event in (e for entry in entries for e in thread.take(entry)):
                if isinstance(event, Piece):
                    text += event.text
                elif isinstance(event, Rewind):
                    text, back = text[: event.characters], back + 1
                elif isinstance(event, End):
                    assert event.reason == "done"
        return text, back


@pytest.fixture
def bench():
    made = []

    def make(*args, **options):
        made.append(Bench(*args, **options))
        return made[-1]

    yield make
    for one in made:
        one.executor.close()


def finish(outcome):
    """What completing the syscall does."""
    result = outcome.effect(None) if outcome.effect else outcome.result
    if outcome.after:
        outcome.after()
    return result


def test_an_answer_that_nobody_interrupts_says_how_it_came_and_leaves_nothing_behind(bench):
    b, call = bench(), claimed()
    outcome = b.executor.perform(call)
    assert outcome.message["content"] == WORDS
    assert finish(outcome) == {"finish_reason": "stop", "resume": "kv", "slices": 5}
    assert (len(b.rivals.asked), b.checkpoints.slices) == (4, {})
    assert all(left > 0 for _, left in b.rivals.asked)
    deadline = time.monotonic() + 5
    while "state-4" in b.driver.states:
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_who_is_interrupted_at_every_boundary_says_the_same_once_and_in_order(bench):
    b, call = bench(better=lambda _: True), claimed()
    for _ in range(4):
        with pytest.raises(Preempted):
            b.executor.perform(call)
        call = again(call)
    outcome = b.executor.perform(call)
    assert outcome.message["content"] == WORDS
    assert finish(outcome) == {"finish_reason": "stop", "resume": "kv", "slices": 5, "switches": 4}
    assert b.shown(call) == (WORDS, 0)
    assert [p.slicing.done and len(p.slicing.done.tokens) for p in b.driver.asked] == [None, 8, 16, 24, 32]


def test_a_lost_state_means_the_first_token_again_and_the_same_text(bench):
    b, call = bench(better=lambda _: len(b.driver.asked) == 1), claimed()
    with pytest.raises(Preempted):
        b.executor.perform(call)
    b.driver.states.clear()
    call = again(call)
    outcome = b.executor.perform(call)
    assert outcome.message["content"] == WORDS
    assert [bool(p.slicing.done) for p in b.driver.asked] == [False, True, False]
    assert finish(outcome) == {"finish_reason": "stop", "resume": "kv", "slices": 5, "again": "rerun"}
    assert b.shown(call) == (WORDS, 0)
    assert b.checkpoints.slices == {}


def test_a_text_that_comes_out_otherwise_is_taken_back_openly(bench):
    b, call = bench(better=lambda _: len(b.driver.asked) == 1), claimed()
    with pytest.raises(Preempted):
        b.executor.perform(call)
    b.driver.states.clear()
    b.driver._answer = WORDS.replace("w3", "other")
    call = again(call)
    outcome = b.executor.perform(call)
    assert finish(outcome)["again"] == "inexact"
    assert b.shown(call) == (WORDS.replace("w3", "other"), 1)


def test_a_core_that_keeps_no_states_answers_from_the_first_token_what_another_began(bench):
    b, call = bench(better=lambda _: True), claimed()
    with pytest.raises(Preempted):
        b.executor.perform(call)
    b.driver.resume = "rerun"
    call = again(call)
    outcome = b.executor.perform(call)
    assert finish(outcome) == {"finish_reason": "stop", "resume": "rerun", "again": "rerun"}
    assert b.shown(call) == (WORDS, 0)
    assert b.checkpoints.slices == {}


def test_a_stale_claim_keeps_nothing_and_says_nothing_more(bench):
    b, call = bench(), claimed()
    b.checkpoints.owners[call.id] = uuid4()
    with pytest.raises(Ignored):
        b.executor.perform(call)
    assert b.checkpoints.slices == {}


@pytest.mark.parametrize("cut", [2, 7, 8, 9, 15])
def test_a_stop_string_is_found_across_a_boundary_and_never_shown(bench, cut):
    words = WORDS.split()
    stop = " ".join(words[cut : cut + 3])
    b = bench(better=lambda _: len(b.driver.asked) < 4)
    call = claimed(stop=[stop])
    while True:
        try:
            outcome = b.executor.perform(call)
            break
        except Preempted:
            call = again(call)
    expected = WORDS[: WORDS.index(stop)]
    assert outcome.message["content"] == expected
    assert finish(outcome)["finish_reason"] == "stop_sequence"
    assert b.shown(call) == (expected, 0)


def test_a_core_that_keeps_no_states_is_asked_as_ever(bench):
    b, call = bench(resume="rerun", better=lambda _: True), claimed()
    outcome = b.executor.perform(call)
    assert (outcome.result["resume"], outcome.effect, b.rivals.asked) == ("rerun", None, [])


class Broken(FakeCheckpoints):
    def save(self, call, boundary):
        raise DatabaseUnavailable("here", "gone")


class Mute(FakeRivals):
    def better_waits(self, id_, **_):
        raise BrokerUnavailable("here", "gone")


@pytest.mark.parametrize("parts", [(Broken(), FakeRivals(lambda _: True)), (FakeCheckpoints(), Mute())])
def test_what_cannot_be_kept_or_asked_is_done_without(bench, parts):
    b = bench()
    b.executor._slicer = Slicer(*parts)
    assert b.executor.perform(claimed()).message["content"] == WORDS


def test_a_core_that_breaks_is_an_error_of_the_core(bench):
    b = bench(EngineFailed("fake", "broke"))
    with pytest.raises(EngineFailed):
        b.executor.perform(claimed())
