"""The replacement policies of the benchmark: each against what its definition says, Belady against all of them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.memory import breaches
from benchmarks.replacement import POLICIES, Shape, belady, clock, fifo, lru_k, ratios, rows

SMALL = Shape(accesses=6_000, pages=600, capacity=40)


@settings(max_examples=60)
@given(st.lists(st.integers(0, 7), max_size=60), st.integers(1, 4))
def test_nobody_beats_who_knows_the_future(trace, capacity):
    best = belady(trace, capacity)
    assert all(policy(trace, capacity) <= best for policy in POLICIES.values())


@pytest.mark.parametrize(
    ("policy", "twice", "round_again"),
    [(fifo, 1, 0), (clock, 2, 0), (lru_k(1), 2, 0), (belady, 2, 1)],
    ids=["fifo", "clock", "lru", "belady"],
)
def test_each_does_what_its_name_says(policy, twice, round_again):
    assert policy([1, 2, 1, 3, 1, 2], 2) == twice
    assert policy([1, 2, 3, 1, 2], 2) == round_again


def test_lru_2_beats_lru_on_the_scan_and_the_gap_to_the_optimum_is_known():
    found = ratios(rows(SMALL, seeds=(1,)))
    assert set(found) == {"Zipf 0.8", "Zipf 1.0", "Zipf 1.2", "scan", "phase shift"}
    assert found["scan"]["LRU-2"] > 1.1 * found["scan"]["LRU"]
    assert all(max(row.values()) == row["Belady"] for row in found.values())


def test_a_bound_that_does_not_hold_is_told():
    row = dict.fromkeys(POLICIES, 0.5)
    scope = {"recall_at_10": 0.9, "search_ms": {"p95": 40.0}}
    tier = {"most_bytes": 11}
    found = {
        "hit_ratios": {"scan": row},
        "tiers": {"quota_bytes": 10, "LRU-2": tier, "LRU": {"most_bytes": 10}},
        "search": {"scopes": {"small namespace": scope}},
    }
    assert len(breaches(found)) == 4
