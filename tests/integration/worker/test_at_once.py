"""Writes that are part of the statement that completes their syscall, or even writes it down: they come to what their effects
come to.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from aios.db import direct, syscalls
from aios.errors import AiosError, DatabaseUnavailable
from aios.kernel.program import program
from aios.memory.executor import MemoryExecutor
from aios.memory.hashing import Hashing
from aios.memory.working import NoCache
from aios.settings import MemorySettings
from aios.storage.executor import StorageExecutor
from tests.integration.worker.world import World

KEPT = "INSERT INTO blobs (digest, size, data) SELECT :digest, :size, :data FROM mine ON CONFLICT DO NOTHING RETURNING digest"
BLOCKS = 4
"""That a namespace may have."""


@program
async def doing(agent, task):
    while task:  # a program may alter what it was given
        resource, op, args = task.pop(0)
        given = [bytes.fromhex(arg[4:]) if str(arg).startswith("hex:") else arg for arg in args.pop("_", ())]
        with suppress(AiosError):
            await getattr(getattr(agent, resource), op)(*given, **args)


@program
async def writing(agent, task):
    await agent.gather(*(agent.storage.write("log.txt", f"{n}") for n in range(task)))
    await agent.gather(*(agent.memory.write("counter", n, namespace="group/crew") for n in range(task)))


FORMS = {"pools": {}, "claimed": {"fused": True, "direct": False}, "direct": {"fused": True}}


def forms(*names):
    return pytest.mark.parametrize("world", [FORMS[name] for name in names], ids=names, indirect=True)


@pytest.fixture
def world(database_url, redis_url, request):
    executors = {
        "memory": MemoryExecutor(Hashing(), settings=MemorySettings(blocks=BLOCKS)),
        "storage": StorageExecutor(),
    }
    programs = {"doing": doing, "writing": writing}
    made = World(database_url, redis_url, programs=programs, executors=executors, **request.param)
    yield made
    made.close()


def block(name, value="x", **more):
    return ["memory", "write", {"_": [name, value], **more}]


def file(path, content="x"):
    return ["storage", "write", {"_": [path, content]}]


CASES = {
    "a new block": ([block("a")], 1),
    "a block twice": ([block("a"), block("a", {"y": [1.5, None]})], 2),
    "a block that was cleared": ([block("a"), ["memory", "clear", {"name": "a"}], block("a")], 2),
    "a block with room": ([["memory", "alloc", {"_": ["a"], "bytes": 9}], block("a", "1234567")], 1),
    "a block without": ([["memory", "alloc", {"_": ["a"], "bytes": 9}], block("a", "12345678")], 0),
    "a pinned block": ([["memory", "alloc", {"_": ["a"], "pinned": True}], block("a")], 0),
    "a block of a known version": ([block("a"), block("a", expect=1), block("a", expect=1)], 1),
    "too many blocks": ([block(f"{n}") for n in range(BLOCKS + 1)] + [block("0", "y")], 3),
    "a new file": ([file("a")], 1),
    "a file twice": ([file("a.md"), file("a.md", "y"), ["storage", "read", {"_": ["a.md"]}]], 2),
    "the same content twice": ([file("a"), file("b"), file("a")], 3),
    "a file in a new folder": ([file("new/deep/a"), file("new/deep/b"), file("new/c")], 2),
    "a file where a folder is": ([file("a/b"), file("a")], 0),
    "a file in a file": ([file("a"), file("a/b")], 1),
    "a deleted file": ([file("a"), ["storage", "delete", {"_": ["a"]}], file("a", "y"), file("a", "z")], 2),
    "a file in a deleted folder": (
        [file("d/a"), ["storage", "delete", {"_": ["d"], "everything": True}], file("d/a")],
        0,
    ),
    "a picture": ([file("a.png", "hex:89504e4700")], 1),
}
"""What is asked for, and how much of it is done at once."""

TOLD = """
    SELECT op, replace(result->>'path', agent_id::text, ''),
           CASE WHEN jsonb_typeof(result) = 'object' THEN (result - 'path' - 'updated_at')::text END, error->>'type'
    FROM syscalls WHERE agent_id = :id ORDER BY id
"""
BLOCK_ROWS = (
    "SELECT name, value, bytes, capacity, pinned, version FROM memory_blocks WHERE agent_id = :id ORDER BY name"
)
FILE_ROWS = """
    SELECT replace(f.path, f.agent_id::text, ''), f.folder, f.version, f.deleted, f.indexed, v.version, encode(v.digest, 'hex'),
           v.size, v.media_type, v.op, v.origin, v.agent_id = :id, s.op, b.size, b.data
    FROM files f LEFT JOIN file_versions v ON v.file_id = f.id LEFT JOIN syscalls s ON s.id = v.syscall_id
        LEFT JOIN blobs b ON b.digest = v.digest
    WHERE f.agent_id = :id ORDER BY f.path, v.version
"""


def outcome(world, task):
    """What the program was told, and the rows that it left."""
    agent = world.client.submit("doing", task)
    world.run()
    assert world.client.get(agent)["state"] == "done"
    with world.database.statement() as tx:
        return [tx.execute(text(sql), {"id": UUID(agent)}).all() for sql in (TOLD, BLOCK_ROWS, FILE_ROWS)]


@forms("pools", "claimed", "direct")
@pytest.mark.parametrize("case", CASES)
def test_a_write_at_once_leaves_what_its_effect_leaves(world, monkeypatch, case):
    task, expected = CASES[case]
    module, name = (direct, "write") if world.directly else (syscalls, "complete_at_once")
    done, at_once = [], getattr(module, name)

    def counted(*args, **given):
        written = at_once(*args, **given)
        done.append(written is not None)
        return written

    monkeypatch.setattr(module, name, counted)
    quick = outcome(world, task)
    assert sum(done) == expected
    monkeypatch.setattr(module, name, lambda *_, **__: None)
    monkeypatch.setattr(syscalls, "complete_at_once", lambda *_, **__: None)
    assert outcome(world, task) == quick


@forms("pools", "claimed", "direct")
def test_many_at_once_write_one_file_and_one_block_one_after_the_other(world):
    agents = [world.client.submit("writing", 5, groups=["crew"]) for _ in range(4)]
    with ThreadPoolExecutor(8) as pool:
        while not all(world.client.result(agent, timeout=0).ended for agent in agents):
            bells, world.recorder.bells[:] = list(world.recorder.bells), []
            list(pool.map(world.answer, bells))
            if not bells:
                world.recovery.tick()
    assert [world.client.result(agent, timeout=0).error for agent in agents] == [None] * 4
    with world.database.statement() as tx:
        versions = tx.execute(text("SELECT version FROM file_versions ORDER BY file_id, version")).scalars().all()
        blocks = tx.execute(text("SELECT version FROM memory_blocks")).scalars().all()
    assert versions == [*range(1, 6)] * 4
    assert blocks == [20]


@forms("pools", "claimed")
@pytest.mark.parametrize("op", ["memory.write", "storage.write"])
def test_what_lost_its_claim_writes_nothing(world, monkeypatch, op):
    at_once, seen = syscalls.complete_at_once, []

    def late(tx, call, outcome, **given):
        if not seen:
            taken = "UPDATE syscalls SET claim_token = :other WHERE id = :id"
            tx.execute(text(taken), {"other": uuid4(), "id": call.id})
            seen.append(at_once(tx, call, outcome, **given))
            tx.execute(text(taken), {"other": call.token, "id": call.id})
            with world.database.statement() as other:
                rows = (
                    "SELECT name FROM memory_blocks UNION ALL SELECT path FROM files UNION ALL SELECT 'blob' FROM blobs"
                )
                seen.append(other.execute(text(rows)).all())
        return at_once(tx, call, outcome, **given)

    monkeypatch.setattr(syscalls, "complete_at_once", late)
    resource, verb = op.split(".")
    agent = world.client.submit("doing", [[resource, verb, {"_": ["a", "x"]}]])
    world.run()
    assert world.client.get(agent)["state"] == "done"
    assert seen == [None, []]


@forms("pools", "claimed")
def test_a_write_whose_reply_was_lost_leaves_no_version_in_the_cache_that_there_is_not(world, monkeypatch):
    at_once, cached, tries = syscalls.complete_at_once, [], []

    def lost(*args, **given):
        tries.append(at_once(*args, **given))
        if len(tries) == 1:
            raise DatabaseUnavailable("here", "the connection broke")
        return tries[-1]

    monkeypatch.setattr(syscalls, "complete_at_once", lost)
    monkeypatch.setattr(NoCache, "put", lambda _self, _namespace, name, copy: cached.append((name, copy.version)))
    agent = world.client.submit("doing", [block("a")])
    world.run()
    assert [call["state"] for call in world.client.journal(agent)] == ["done"]
    assert [settled is not None for settled in tries] == [True, False]
    assert cached == []


@forms("pools", "claimed")
def test_a_content_that_goes_while_it_is_written_is_written_by_the_effect(world, monkeypatch):
    at_once, tries = syscalls.complete_at_once, []

    def pruned(tx, call, outcome, **given):
        """As if the content had been found there, and retention had removed it a moment later."""
        sql = outcome.clauses.sql.replace(KEPT, "SELECT CAST(:digest AS bytea) AS digest FROM mine")
        tries.append(at_once(tx, call, replace(outcome, clauses=replace(outcome.clauses, sql=sql)), **given))
        return tries[-1]

    monkeypatch.setattr(syscalls, "complete_at_once", pruned)
    agent = world.client.submit("doing", [file("a")])
    world.run()
    assert tries == [None]
    (call,) = world.client.journal(agent)
    assert call["state"] == "done"


ROWS = text("SELECT name FROM memory_blocks UNION ALL SELECT path FROM files UNION ALL SELECT 'blob' FROM blobs")
STALE = {
    "driven by another": "epoch = epoch + :n",
    "paused": "state = CASE WHEN :n > 0 THEN 'paused' ELSE 'running' END",
    "further on": "steps = steps + :n",
}


@forms("direct")
@pytest.mark.parametrize("why", STALE)
@pytest.mark.parametrize("op", ["memory.write", "storage.write"])
def test_a_drive_that_is_not_as_it_was_writes_nothing_at_once(world, monkeypatch, op, why):
    write, seen = direct.write, []

    def late(tx, driven, issued, **given):
        if not seen:
            change = text(f"UPDATE agents SET {STALE[why]} WHERE id = :id")
            tx.execute(change, {"id": driven.id, "n": 1})
            seen.append(write(tx, driven, issued, **given))
            tx.execute(change, {"id": driven.id, "n": -1})
            seen.append(tx.execute(ROWS).all())
            seen.append(tx.execute(text("SELECT count(*) FROM syscalls")).scalar())
        return write(tx, driven, issued, **given)

    monkeypatch.setattr(direct, "write", late)
    resource, verb = op.split(".")
    agent = world.client.submit("doing", [[resource, verb, {"_": ["a", "x"]}]])
    world.run()
    assert world.client.get(agent)["state"] == "done"
    assert seen == [None, [], 0]


@forms("direct")
@pytest.mark.parametrize("lost", [block("a"), file("a")])
def test_what_was_done_at_once_is_not_done_again_when_the_reply_is_lost(world, monkeypatch, lost):
    write, tries = direct.write, []

    def losing(*args, **given):
        tries.append(write(*args, **given))
        if len(tries) == 1:
            raise DatabaseUnavailable("here", "the connection broke")
        return tries[-1]

    monkeypatch.setattr(direct, "write", losing)
    agent = world.client.submit("doing", [lost, block("b")])
    world.run()
    assert world.client.get(agent)["state"] == "done"
    assert len(tries) == 2
    assert [call["state"] for call in world.client.journal(agent)] == ["done", "done"]
    with world.database.statement() as tx:
        versions = tx.execute(text("SELECT version FROM memory_blocks UNION ALL SELECT version FROM files")).scalars()
        assert set(versions) == {1}


GONE = {
    "a content that was pruned": (KEPT, "SELECT CAST(:digest AS bytea) AS digest FROM mine"),
    "a value that cannot be": ("CAST(:size AS bigint)", "CAST(:size AS bigint) / 0"),
}


@forms("direct")
@pytest.mark.parametrize("why", GONE)
def test_what_postgres_refuses_at_once_is_left_to_the_effect(world, monkeypatch, why):
    write, tries = direct.write, []

    def refused(tx, driven, issued, *, clauses, **given):
        tries.append(write(tx, driven, issued, clauses=replace(clauses, sql=clauses.sql.replace(*GONE[why])), **given))
        return tries[-1]

    monkeypatch.setattr(direct, "write", refused)
    agent = world.client.submit("doing", [file("a")])
    world.run()
    assert tries == [None]
    (call,) = world.client.journal(agent)
    assert call["state"] == "done"


@forms("direct")
def test_the_times_of_a_write_at_once_follow_each_other(world):
    agent = world.client.submit("doing", [block("a"), file("a")])
    world.run()
    with world.database.statement() as tx:
        times = "SELECT created_at, queued_at, started_at, finished_at FROM syscalls WHERE agent_id = :id ORDER BY id"
        rows = [tuple(row) for row in tx.execute(text(times), {"id": UUID(agent)})]
    assert rows == [tuple(sorted(row)) for row in rows]
    assert rows[0][-1] <= rows[1][0]
