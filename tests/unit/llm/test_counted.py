"""Counts are kept while they are used, within bounds."""

from __future__ import annotations

from aios.llm import counted
from aios.llm.counted import Counted, Templated


def test_the_counts_used_last_are_kept(monkeypatch):
    monkeypatch.setattr(counted, "_MOST", 2)
    known = Counted()
    known.put(b"a", Templated("a", 1))
    known.put(b"b", Templated("b", 2))
    assert known.get(b"a").tokens == 1
    known.put(b"c", Templated("c", 3))
    assert known.get(b"b") is None
    assert known.get(b"a").tokens == 1


def test_long_texts_go_before_many_characters_are_held_but_the_newest_stays(monkeypatch):
    monkeypatch.setattr(counted, "_MOST_CHARACTERS", 10)
    known = Counted()
    known.put(b"a", Templated("x" * 6, 1))
    known.put(b"a", Templated("y" * 4, 2))
    known.put(b"b", Templated("x" * 6, 3))
    assert known.get(b"a").text == "yyyy"
    known.put(b"c", Templated("x" * 50, 4))
    assert (known.get(b"a"), known.get(b"b")) == (None, None)
    assert known.get(b"c").tokens == 4
