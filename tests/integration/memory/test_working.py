"""Working memory through programs: real Postgres, real Redis, real drives and executions."""

from __future__ import annotations

import threading
from uuid import UUID

import pytest
import redis

from aios.errors import InvalidArgument, NotFound, VersionConflict
from aios.kernel.lru_k import Marks
from aios.kernel.ports import Copy
from aios.kernel.program import program
from aios.memory.cache import RedisCache
from aios.memory.executor import MemoryExecutor
from aios.settings import MemorySettings
from aios.testing import FakeBlockCache, FakeEmbedder
from tests.integration.worker.world import World

QUOTA = 1_000


@pytest.fixture
def world(database_url, redis_url):
    made = []

    def make(function, *, cache=None, quota=QUOTA, **options):
        settings = MemorySettings(quota_bytes=max(quota, 1024), block_bytes=max(quota, 1024))
        cache = cache or RedisCache(redis_url, marks=Marks.of(quota))
        declared = program(name="p")(function)
        executor = MemoryExecutor(FakeEmbedder(), cache, settings)
        one = World(database_url, redis_url, programs={"p": declared}, executors={"memory": executor}, **options)
        one.cache = cache
        made.append(one)
        return one

    yield make
    for one in made:
        one.close()


def run(world, task="go"):
    agent = world.client.submit("p", task=task)
    world.run()
    return agent, world.client.result(agent, timeout=0)


def test_a_block_is_allocated_written_read_listed_and_cleared(world):
    async def p(agent, task):
        told = [await agent.memory.alloc("plan", bytes=100, pinned=True), await agent.memory.read("plan")]
        told.append(await agent.memory.write("plan", {"step": 1}))
        told.append(await agent.memory.write("notes/a", ["é", None, 1.5]))
        told.append(await agent.memory.read("plan"))
        told.append(await agent.memory.read("notes/a"))
        told.append([(b.name, b.version, b.pinned, b.cached) for b in await agent.memory.list("*")])
        told.append([b.name for b in await agent.memory.list("notes/*")])
        told.append(await agent.memory.clear("plan"))
        stat = await agent.memory.stat()
        told.append((stat["blocks"], stat["hits"], stat["cache_up"]))
        return [*told, await agent.memory.clear()]

    _, told = run(world(p))
    assert told.value == [
        1,
        None,
        2,
        1,
        {"step": 1},
        ["é", None, 1.5],
        [["notes/a", 1, False, True], ["plan", 2, True, True]],
        ["notes/a"],
        1,
        [1, 3, True],
        1,
    ]
