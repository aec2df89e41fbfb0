"""LRU-K: against a naive model that keeps every access and looks through all of them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios.errors import InvalidArgument
from aios.kernel.lru_k import Block, LruK, Marks, leaving, rank


class Naive:
    """LRU-K as the paper defines it: the backward K-distance of each page, reckoned from the whole past."""

    def __init__(self, capacity, k):
        self.capacity, self.k = capacity, k
        self.past, self.held = [], set()

    def distance(self, page):
        times = [time for time, touched in enumerate(self.past) if touched == page]
        kth = len(self.past) - times[-self.k] if len(times) >= self.k else float("inf")
        return kth, len(self.past) - times[-1]

    def access(self, page):
        hit = page in self.held
        if not hit and len(self.held) >= self.capacity:
            self.held.remove(max(self.held, key=self.distance))
        self.past.append(page)
        self.held.add(page)
        return hit


@settings(max_examples=150)
@given(st.lists(st.integers(0, 9), max_size=80), st.integers(1, 5), st.integers(1, 4))
def test_it_hits_and_misses_as_the_naive_model_does(trace, capacity, k):
    fast, naive = LruK(capacity, k=k, remembered=100), Naive(capacity, k)
    assert [fast.access(page) for page in trace] == [naive.access(page) for page in trace]


blocks = st.lists(
    st.builds(
        Block,
        name=st.uuids().map(str),
        bytes=st.integers(0, 60),
        accesses=st.lists(st.integers(0, 99), min_size=1, max_size=3).map(lambda t: tuple(sorted(t, reverse=True))),
        pinned=st.booleans(),
    ),
    max_size=12,
)


@settings(max_examples=150)
@given(blocks, st.integers(0, 120), st.integers(1, 3))
def test_what_leaves_is_no_more_and_no_less_than_the_low_mark_needs(held, coming, k):
    marks = Marks.of(200)
    gone = leaving(held, coming=coming, marks=marks, k=k)
    by_name = {block.name: block for block in held}
    used = sum(block.bytes for block in held) + coming
    if used <= marks.high:
        assert gone == []
        return
    stay = [block for block in held if block.name not in gone]
    assert not any(by_name[name].pinned for name in gone)
    left = used - sum(by_name[name].bytes for name in gone)
    assert left <= marks.low or all(block.pinned for block in stay)
    assert not gone or left + by_name[gone[-1]].bytes > marks.low
    evictable = [rank(block.accesses, k) for block in stay if not block.pinned]
    assert all(rank(by_name[name].accesses, k) <= other for name in gone for other in evictable)


def test_k_of_one_is_lru_and_no_error():
    """The published class raised a KeyError for K = 1."""
    memory = LruK(2, k=1)
    assert [memory.access(page) for page in "abacab"] == [False, False, True, False, True, False]


def test_a_scan_does_not_push_out_what_is_used_again_and_again():
    hot, scan = ["a", "b"] * 20, [f"once-{n}" for n in range(50)]
    lru, lru_2 = LruK(4, k=1), LruK(4, k=2)
    for memory in (lru, lru_2):
        for page in hot + scan:
            memory.access(page)
    assert [lru_2.access(page) for page in "ab"] == [True, True]
    assert [lru.access(page) for page in "ab"] == [False, False]


def test_what_comes_back_soon_is_known_to_be_in_use():
    for remembered, known in ((10, True), (0, False)):
        memory = LruK(2, k=2, remembered=remembered)
        for page in ("hot", "x", "y", "hot", "z", "w"):  # `hot` left for `y` and came back
            memory.access(page)
        assert memory.access("hot") is known


@pytest.mark.parametrize(("high", "low"), [(0.5, 0.6), (1.1, 0.5), (0.8, 0)])
def test_marks_out_of_order_are_refused(high, low):
    with pytest.raises(InvalidArgument, match="water marks"):
        Marks.of(100, high=high, low=low)
