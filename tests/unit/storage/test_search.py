"""Fusing rankings."""

from __future__ import annotations

from aios.storage.search import FUSION, fused


def test_what_two_ways_find_comes_before_what_one_finds():
    best = fused({"words": ["a", "b", "c"], "meaning": ["d", "b"]})
    assert [key for key, _, _ in best] == ["b", "a", "d", "c"]
    assert {key: by for key, _, by in best} == {"a": "words", "b": "both", "c": "words", "d": "meaning"}
    assert best[0][1] == round(2 / (FUSION + 2), 6)


def test_what_one_way_finds_best_is_not_pushed_out_by_what_both_find_faintly():
    faint = [f"faint {number}" for number in range(40)]
    best = fused({"words": faint, "meaning": ["fact", *reversed(faint)]})
    assert "fact" in [key for key, _, _ in best[:10]]


def test_nothing_found_is_nothing():
    assert fused({}) == fused({"words": []}) == []
