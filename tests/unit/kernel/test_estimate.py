"""What a kind of syscall needs is learned from what its like has had."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios.kernel.estimate import Estimate


def test_nine_of_ten_calls_stay_below_the_tokens_it_names_and_the_seconds_are_their_mean():
    numbers, known = random.Random(1), Estimate()
    for _ in range(2000):
        known = known.learn(served_seconds=numbers.uniform(1, 3), tokens=numbers.randrange(1000))
    assert 820 < known.tokens < 1000
    assert known.seconds == pytest.approx(2.0, abs=0.5)


@settings(max_examples=50, deadline=None)
@given(seen=st.lists(st.tuples(st.floats(0, 1e4), st.integers(0, 10**6)), min_size=1, max_size=50))
def test_it_stays_within_what_was_seen(seen):
    known = Estimate()
    for served, tokens in seen:
        known = known.learn(served_seconds=served, tokens=tokens)
    most = max(tokens for _, tokens in seen)
    assert 0 <= known.tokens <= most * 1.09 + 1
    assert min(s for s, _ in seen) * 0.999 <= known.seconds <= max(s for s, _ in seen) * 1.001
