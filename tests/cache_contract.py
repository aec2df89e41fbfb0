"""What every `BlockCache` keeps to; run on the fake and on Redis."""

from __future__ import annotations

import random

from aios.kernel.lru_k import Marks
from aios.kernel.ports import Copy

NS = "agent/00000000-0000-7000-8000-000000000001"


def of_size(size, name, version=1, *, pinned=False):
    return Copy(version, '"' + "x" * (size - 2 - len(name)) + '"', pinned=pinned)


class BlockCacheContract:
    """Inherit, and give a fixture `cache` that makes one with these marks."""

    def test_what_was_put_is_got_and_only_there(self, cache):
        held = cache(Marks.of(1000))
        assert held.get(NS, "a") is None
        assert held.put(NS, "a", Copy(1, '{"é": 1}'))
        assert held.get(NS, "a") == Copy(1, '{"é": 1}')
        assert held.get("group/other", "a") is None
        assert held.get(NS, "b") is None

    def test_an_older_copy_never_replaces_a_newer_one(self, cache):
        held = cache(Marks.of(1000))
        assert held.put(NS, "a", Copy(3, "3"))
        assert not held.put(NS, "a", Copy(2, "2"))
        assert held.get(NS, "a") == Copy(3, "3")

    def test_a_cleared_block_is_not_brought_back_by_a_late_reader(self, cache):
        held = cache(Marks.of(1000))
        held.put(NS, "a", Copy(1, "1"))
        assert not held.put(NS, "a", Copy(2, None))
        assert not held.put(NS, "a", Copy(1, "1"))
        assert held.get(NS, "a") is None
        assert held.put(NS, "a", Copy(3, "3"))

    def test_above_the_high_mark_the_least_used_leave_down_to_the_low_one(self, cache):
        held = cache(Marks.of(1000))
        for number in range(8):
            assert held.put(NS, f"b{number}", of_size(100, f"b{number}"))
            if number < 2:  # used twice: LRU-2 keeps them, though all others were used later
                held.get(NS, f"b{number}")
        assert held.state(NS).used_bytes == 800
        assert held.put(NS, "new", of_size(100, "new"))
        state = held.state(NS)
        assert state.used_bytes == 600
        assert state.blocks == ("b0", "b1", "b5", "b6", "b7", "new")
        assert state.evicted == 3

    def test_pinned_blocks_stay_whatever_comes(self, cache):
        held = cache(Marks.of(1000))
        held.put(NS, "pinned", of_size(500, "pinned", pinned=True))
        for number in range(20):
            held.put(NS, f"b{number}", of_size(150, f"b{number}"))
        state = held.state(NS)
        assert "pinned" in state.blocks
        assert 500 < state.used_bytes <= 1000

    def test_what_is_larger_than_what_is_free_is_not_held(self, cache):
        held = cache(Marks.of(1000))
        held.put(NS, "pinned", of_size(500, "pinned", pinned=True))
        assert not held.put(NS, "big", of_size(501, "big"))
        assert not held.put(NS, "huge", of_size(1001, "huge"))
        assert held.state(NS).blocks == ("pinned",)

    def test_a_block_that_grew_is_counted_once(self, cache):
        held = cache(Marks.of(1000))
        for version, size in enumerate((100, 300, 50, 200), start=1):
            assert held.put(NS, "a", of_size(size, "a", version))
        assert held.state(NS).used_bytes == 200

    def test_hits_and_misses_are_counted(self, cache):
        held = cache(Marks.of(1000))
        held.put(NS, "a", Copy(1, "1"))
        for name in ("a", "a", "b"):
            held.get(NS, name)
        state = held.state(NS)
        assert (state.hits, state.misses) == (2, 1)

    def test_cleared_it_holds_nothing(self, cache):
        held = cache(Marks.of(1000))
        held.put(NS, "a", Copy(1, "1"))
        held.clear(NS)
        assert held.state(NS).blocks == ()
        assert held.get(NS, "a") is None

    def test_used_is_the_sum_of_what_is_held_and_never_above_the_quota(self, cache):
        held, chance = cache(Marks.of(1000)), random.Random(5)
        sizes = {}
        for version in range(1, 120):
            name = f"b{chance.randrange(12)}"
            size = chance.choice((20, 90, 250, 700))
            sizes[name] = size
            held.put(NS, name, of_size(size, name, version, pinned=chance.random() < 0.2))
            state = held.state(NS)
            assert state.used_bytes == sum(sizes[block] for block in state.blocks) <= 1000
