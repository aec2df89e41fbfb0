"""The cache of working memory in a real Redis: the contract, many writers at once, and Redis away."""

from __future__ import annotations

import threading
import time

import pytest
import redis

from aios.kernel.lru_k import Marks
from aios.kernel.ports import Copy
from aios.local.ports import free_port
from aios.memory.cache import RedisCache
from tests.cache_contract import NS, BlockCacheContract, of_size


@pytest.fixture
def make(redis_url):
    made = []

    def one(marks, *, k=2, url=redis_url):
        made.append(RedisCache(url, marks=marks, k=k))
        return made[-1]

    yield one
    for cache in made:
        cache.close()


class TestRedisCache(BlockCacheContract):
    @pytest.fixture
    def cache(self, make):
        return make


def held_bytes(redis_url):
    """What Redis truly holds: not what the counter says."""
    with redis.Redis.from_url(redis_url) as client:
        fields = client.hgetall(f"aios:blocks:{NS}")
        return sum(len(f) - 2 + len(v) for f, v in fields.items() if f.startswith(b"v:")), int(fields.get(b"used", 0))


def test_the_quota_is_never_exceeded_while_many_write_at_once(make, redis_url):
    """Eight writers of one namespace, each with its own connection; somebody looks all the time."""
    seen, done = [], threading.Event()

    def write(number):
        cache = make(Marks.of(2000))
        for version in range(1, 60):
            name = f"w{number}-{version % 7}"
            cache.put(
                NS, name, of_size(60 + 90 * (version % 5), name, version, pinned=version % 11 == 0 and number == 0)
            )

    def look():
        while not done.is_set():
            seen.append(held_bytes(redis_url))

    watcher = threading.Thread(target=look)
    watcher.start()
    writers = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    done.set()
    watcher.join()
    assert max(held for held, _ in seen) > 1200
    assert all(held == used <= 2000 for held, used in [*seen, held_bytes(redis_url)])


def test_without_redis_nothing_is_held_and_nobody_waits_twice(make):
    cache = make(Marks.of(1000), url=f"redis://127.0.0.1:{free_port()}/0")
    assert not cache.put(NS, "a", Copy(1, "1"))
    begun = time.monotonic()
    assert [cache.get(NS, "a") for _ in range(100)] == [None] * 100
    assert not cache.state(NS).up
    assert time.monotonic() - begun < 0.2  # it was asked once, before
