"""The fake of the cache keeps the contract of the real one."""

from __future__ import annotations

import pytest

from aios.kernel.ports import Copy
from aios.testing import FakeBlockCache
from tests.cache_contract import NS, BlockCacheContract


class TestFakeBlockCache(BlockCacheContract):
    @pytest.fixture
    def cache(self):
        return FakeBlockCache


def test_a_fake_that_is_away_holds_nothing():
    cache = FakeBlockCache()
    cache.put(NS, "a", Copy(1, "1"))
    cache.away = True
    assert cache.get(NS, "a") is None
    assert not cache.put(NS, "b", Copy(1, "1"))
    assert not cache.state(NS).up
