"""Working memory through programs: real Postgres, real Redis, real drives and executions."""

from __future__ import annotations

import time

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
from tests.asking import claimed
from tests.blocking import waiting
from tests.integration.worker.world import World

QUOTA = 2_000


@pytest.fixture
def world(database_url, redis_url):
    made = []

    def make(function, *, cache=None, **options):
        cache = cache or RedisCache(redis_url, marks=Marks.of(QUOTA))
        executor = MemoryExecutor(
            FakeEmbedder(), cache, MemorySettings(quota_bytes=QUOTA, block_bytes=QUOTA, blocks=20)
        )
        programs = {"p": program(name="p")(function)}
        one = World(database_url, redis_url, programs=programs, executors={"memory": executor}, **options)
        one.cache = cache
        made.append(one)
        return one

    yield make
    for one in made:
        one.close()


def run(world, task="go"):
    agent = world.client.submit("p", task=task)
    deadline = time.monotonic() + 30
    while not (result := world.client.result(agent, timeout=0)).ended and time.monotonic() < deadline:
        world.run()  # it rests while a dead worker's grants still run
    assert result.state == "done", result
    return result.value


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

    assert run(world(p)) == [
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


def test_what_is_wrong_is_an_error_that_names_it(world):
    async def p(agent, task):
        told = []
        await agent.memory.write("plan", 1)
        await agent.memory.alloc("small", bytes=10)
        await agent.memory.alloc("pinned", bytes=1000, pinned=True)
        for request in (
            agent.memory.read("plam"),
            agent.memory.clear("nothing"),
            agent.memory.write("plan", 2, expect=7),
            agent.memory.write("plan", 2, expect=0),
            agent.memory.write("new", 2, expect=1),
            agent.memory.write("small", "more than ten bytes"),
            agent.memory.write("plan", "x" * QUOTA),
            agent.memory.alloc("pinned too", bytes=500, pinned=True),
        ):
            try:
                await request
                told.append("nothing happened")
            except (NotFound, VersionConflict, InvalidArgument) as error:
                told.append(str(error))
        return told

    says = (
        "plam (did you mean plan?)",
        "nothing",
        "version 1, not at version 7",
        "exists already",
        "does not exist",
        "allocated with 10 bytes",
        "at most 2000 bytes",
        "1000 are taken",
    )
    for text, part in zip(run(world(p)), says, strict=True):
        assert part in text


def test_evicted_blocks_are_read_back_and_the_quota_holds(world, redis_url):
    """The published memory dropped what it had read from disk again: a second read was a miss, too."""

    async def p(agent, task):
        for number in range(12):
            await agent.memory.write(f"b{number:02}", str(number) * 300)
        before = await agent.memory.stat()
        values = [await agent.memory.read(f"b{number:02}") for number in range(12)]
        first = await agent.memory.stat()
        await agent.memory.read("b11")
        second = await agent.memory.stat()
        return [before, [len(value) for value in values], second["hits"] - first["hits"], first["cached_bytes"]]

    before, lengths, hits, cached = run(world(p))
    assert before["blocks"] == 12
    assert before["evicted"] > 0
    assert before["cached_bytes"] <= QUOTA
    assert lengths == [300] * 10 + [600] * 2
    assert hits == 1
    assert 0 < cached <= QUOTA


def test_a_wiped_redis_costs_misses_and_loses_nothing(world, redis_url):
    async def p(agent, task):
        await agent.memory.write("a", "first")
        await agent.memory.write("b", {"n": 2})
        await agent.step(wipe)
        told = [await agent.memory.read("a"), await agent.memory.read("b")]
        stat = await agent.memory.stat()
        return [*told, stat["misses"], stat["cached_blocks"]]

    def wipe():
        with redis.Redis.from_url(redis_url) as client:
            client.delete(*client.keys("aios:blocks:*"))

    assert run(world(p)) == ["first", {"n": 2}, 2, 2]


def test_without_redis_it_is_slower_and_right(world):
    async def p(agent, task):
        await agent.memory.write("a", 1)
        await agent.memory.write("a", 2)
        stat = await agent.memory.stat()
        return [await agent.memory.read("a"), stat["cache_up"], stat["blocks"]]

    cache = FakeBlockCache(Marks.of(QUOTA))
    cache.away = True
    assert run(world(p, cache=cache)) == [2, False, 1]


class Forgetful(FakeBlockCache):
    """Its process dies between the commit and the cache: every other copy is never put."""

    puts = 0

    def put(self, namespace, name, copy):
        self.puts += 1
        return super().put(namespace, name, copy) if self.puts % 2 else False


def test_a_copy_that_was_never_renewed_is_not_believed(world):
    async def p(agent, task):
        seen = []
        for number in range(10):
            await agent.memory.write("n", number)
            seen.append(await agent.memory.read("n"))
        return seen

    assert run(world(p, cache=Forgetful(Marks.of(QUOTA)))) == list(range(10))


def test_a_copy_from_a_transaction_that_never_committed_is_not_believed(world):
    async def p(agent, task):
        await agent.memory.write("n", "committed")
        await agent.step(lambda: one.cache.put(f"agent/{agent.id}", "n", Copy(9, '"never committed"')))
        return await agent.memory.read("n")

    one = world(p)
    assert run(one) == "committed"


def test_a_name_that_is_used_again_never_shows_its_old_value(world):
    async def p(agent, task):
        seen = []
        for number in range(4):
            seen.append(await agent.memory.write("n", number))
            await agent.memory.clear("n" if number % 2 else None)
            seen.append(len(await agent.memory.list()))
        await agent.memory.write("n", "last", expect=0)
        return [*seen, await agent.memory.read("n")]

    assert run(world(p)) == [1, 0, 3, 0, 5, 0, 7, 0, "last"]


def test_fault_33_workers_that_die_at_any_commit_lose_no_write_and_repeat_none(world):
    """Fault 33: what was remembered lived in one process' memory, and concurrent writers overwrote each other."""

    async def p(agent, task):
        await agent.gather(*(write(agent, f"b{number}") for number in range(4)))
        blocks = await agent.memory.list()
        return [(block.name, block.version) for block in blocks] + [await agent.memory.read(b.name) for b in blocks]

    async def write(agent, name):
        for number in range(3):
            await agent.memory.write(name, f"{name} {number}")
            assert await agent.memory.read(name) == f"{name} {number}"

    one = world(p, seed=2, crash=0.1)
    assert run(one) == [[f"b{n}", 3] for n in range(4)] + [f"b{n} 2" for n in range(4)]
    assert one.crashes > 0


def test_blocks_are_bounded_in_number(world):
    async def p(agent, task):
        for number in range(20):
            await agent.memory.write(f"b{number}", number)
        try:
            await agent.memory.write("one too many", 0)
        except InvalidArgument as error:
            return [str(error), len(await agent.memory.list())]

    text, count = run(world(p))
    assert "20 blocks at most" in text
    assert count == 20


@pytest.mark.parametrize(
    ("blocks", "op", "asked", "message"),
    [
        (1, "write", {"value": 1}, "1 blocks at most"),
        (20, "alloc", {"bytes": QUOTA // 2, "pinned": True}, "pinned blocks may take"),
    ],
)
def test_of_two_at_once_for_which_there_is_no_room_one_is_refused(database, blocks, op, asked, message):
    executor = MemoryExecutor(FakeEmbedder(), settings=MemorySettings(quota_bytes=QUOTA, blocks=blocks))

    def perform(tx, name):
        call = claimed("memory", op, {"namespace": "group/crew", "name": name, **asked})
        return executor.perform(call).effect(tx)

    def second():
        with database.transaction() as tx:
            perform(tx, "second")

    with database.transaction() as tx:
        perform(tx, "first")
        refused = waiting(database, second)
    with pytest.raises(InvalidArgument, match=message):
        refused.result()
