"""Pruning on a real Postgres: what goes, what stays, and that nobody who writes meanwhile waits or loses anything."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import JSON, bindparam, insert, text

from aios.db import contexts, retention, schema
from aios.db.tables import agents, checkpoints, memories, requests, schedule_runs, schedules, syscalls
from aios.errors import InvalidArgument
from aios.kernel.contexts import Chains
from aios.kernel.ids import new_id
from aios.storage import files
from aios.worker.system import Pruned, prune

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import TextClause

    from aios.db.session import Database

MONTH = timedelta(days=30)


def add_agent(
    database: Database, *, days_ago: float | None, parent: UUID | None = None, root: UUID | None = None, **more: object
) -> UUID:
    """An agent that ended so long ago; None: it still runs."""
    agent = new_id()
    ended: TextClause | None = None
    if days_ago is not None:
        ended = text(f"clock_timestamp() - interval '{days_ago} days'")
    row = {
        "id": agent,
        "root_id": root or parent or agent,
        "parent_id": parent,
        "program": "echo",
        "task": "hello",
        "state": "running" if days_ago is None else "done",
        "priority": 5,
        "finished_at": ended,
    }
    with database.transaction() as tx:
        tx.execute(insert(agents).values(row | more))
    return agent


def store_context(tx, said, prefixes) -> bytes:
    """Store a conversation as the end of a drive does."""
    new = contexts.delta(tx, said, prefixes)
    tx.execute(
        text(f"WITH closed AS (SELECT 1), {contexts.GROWN} SELECT 1").bindparams(bindparam("deltas", type_=JSON)),
        {"deltas": [] if new is None else [new]},
    )
    return prefixes[-1]


def conversation(tx, digest: bytes) -> list[dict]:
    """Read it as the claim of a chat does."""
    return contexts.joined(
        tx.execute(text(contexts.CONVERSATION.format(digest=":digest")), {"digest": digest}).scalar()
    )


def add_call(database: Database, agent: UUID, messages: list[str]) -> UUID:
    """A chat of an agent: a request, its syscall with the conversation, and a checkpoint."""
    request, call = new_id(), new_id()
    said = [{"role": "user", "content": message} for message in messages]
    with database.transaction() as tx:
        prompt = store_context(tx, said, Chains().digests(said)) if said else None
        tx.execute(
            insert(requests).values(
                id=request, agent_id=agent, generation=0, seq=str(request), label="chat", digest=b"", pending=0
            )
        )
        tx.execute(
            insert(syscalls).values(
                id=call,
                agent_id=agent,
                request_id=request,
                position=0,
                pool="llm",
                op="chat",
                effect="none",
                payload={},
                prompt=prompt,
                state="done",
                priority=5,
            )
        )
        tx.execute(insert(checkpoints).values(syscall_id=call, slice=0, attempt=1, tokens=[], lengths=[], text=""))
    return call


def age(database: Database, table: str, column: str, *, hours: float = 2) -> None:
    with database.transaction() as tx:
        tx.execute(text(f"UPDATE {table} SET {column} = clock_timestamp() - interval '{hours} hours'"))


def count(database: Database, table: str) -> int:
    with database.transaction() as tx:
        return int(tx.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


def ids(database: Database) -> set[UUID]:
    with database.transaction() as tx:
        return set(tx.execute(text("SELECT id FROM agents")).scalars())


def test_old_agents_go_with_their_journals_and_young_ones_stay(database: Database) -> None:
    old = add_agent(database, days_ago=31)
    young, running = add_agent(database, days_ago=29), add_agent(database, days_ago=None)
    for agent in (old, young, running):
        add_call(database, agent, [])
    assert prune(database, older_than=MONTH) == Pruned(agents=1, schedule_runs=0, contexts=0, blobs=0)
    assert ids(database) == {young, running}
    assert [count(database, table) for table in ("requests", "syscalls", "checkpoints")] == [2, 2, 2]


def test_memories_and_files_go_with_their_agent(database: Database) -> None:
    old, young = add_agent(database, days_ago=31), add_agent(database, days_ago=1)
    for agent in (old, young):
        with database.transaction() as tx:
            files.write(tx, f"/agents/{agent}/a", b"the same", agent_id=agent, syscall_id=new_id())
            files.write(tx, f"/agents/{agent}/b", agent.bytes, agent_id=agent, syscall_id=new_id())
            row = {"id": new_id(), "namespace": f"agent:{agent}", "agent_id": agent, "content": "x", "embedder": "none"}
            tx.execute(insert(memories).values(row))
    age(database, "blobs", "created_at")
    assert prune(database, older_than=MONTH) == Pruned(agents=1, schedule_runs=0, contexts=0, blobs=1)
    assert [count(database, table) for table in ("memories", "files", "file_versions", "blobs")] == [1, 2, 2, 2]


@pytest.mark.parametrize(("child", "kept"), [(None, True), (1, True), (40, False)])
def test_a_tree_goes_as_one(database: Database, child: float | None, *, kept: bool) -> None:
    root = add_agent(database, days_ago=50)
    middle = add_agent(database, days_ago=45, parent=root)
    add_agent(database, days_ago=child, parent=middle, root=root)
    assert prune(database, older_than=MONTH).agents == (0 if kept else 3)
    assert len(ids(database)) == (3 if kept else 0)


def test_an_old_child_of_a_parent_that_runs_is_kept(database: Database) -> None:
    root = add_agent(database, days_ago=None)
    child = add_agent(database, days_ago=60, parent=root)
    assert prune(database, older_than=MONTH).agents == 0
    assert ids(database) == {root, child}


def test_more_agents_than_one_batch_all_go(database: Database) -> None:
    root = add_agent(database, days_ago=40)
    for _ in range(130):
        add_agent(database, days_ago=35, parent=root)
    for _ in range(60):
        add_agent(database, days_ago=35)
    assert prune(database, older_than=MONTH).agents == 191
    assert ids(database) == set()


def test_two_prunes_at_once_remove_each_agent_once(database: Database) -> None:
    for _ in range(40):
        root = add_agent(database, days_ago=40)
        for _ in range(4):
            add_agent(database, days_ago=35, parent=root)
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(prune(database, older_than=MONTH).agents)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(found) == 200
    assert ids(database) == set()


def test_a_row_that_somebody_holds_is_passed_over_at_once(database: Database) -> None:
    held, free = add_agent(database, days_ago=40), add_agent(database, days_ago=40)
    with database.transaction() as tx:
        tx.execute(text("SELECT 1 FROM agents WHERE id = :id FOR UPDATE"), {"id": held})
        before = time.monotonic()
        assert prune(database, older_than=MONTH).agents == 1
        assert time.monotonic() - before < 5
    assert free not in ids(database)
    assert held in ids(database)


def test_runs_of_schedules_go_with_their_agents(database: Database) -> None:
    old, young = add_agent(database, days_ago=40), add_agent(database, days_ago=1)
    schedule = new_id()
    row = {"id": schedule, "name": "s", "cron": "* * * * *", "timezone": "UTC", "program": "echo", "task": "hello"}
    with database.transaction() as tx:
        tx.execute(insert(schedules).values(row | {"priority": 5, "next_at": text("clock_timestamp()")}))
        for days, agent in ((40, old), (1, young)):
            tick = text(f"clock_timestamp() - interval '{days} days'")
            tx.execute(insert(schedule_runs).values(schedule_id=schedule, tick_at=tick, agent_id=agent))
    assert prune(database, older_than=MONTH).schedule_runs == 1
    assert count(database, "schedule_runs") == 1


def test_contexts_that_only_pruned_agents_reached_go_and_shared_ones_stay(database: Database) -> None:
    old, young = add_agent(database, days_ago=40), add_agent(database, days_ago=1)
    add_call(database, old, ["system", "a"])
    add_call(database, old, ["system", "a", "b"])
    kept = add_call(database, young, ["system", "a", "c"])
    age(database, "contexts", "used_at")
    assert prune(database, older_than=MONTH).contexts == 1
    with database.transaction() as tx:
        prompt = tx.execute(text("SELECT prompt FROM syscalls WHERE id = :id"), {"id": kept}).scalar_one()
        assert [message["content"] for message in conversation(tx, prompt)] == ["system", "a", "c"]


def test_young_contexts_stay_with_all_they_are_built_upon(database: Database) -> None:
    old = add_agent(database, days_ago=40)
    for turns in range(1, 5):
        add_call(database, old, [str(turn) for turn in range(turns)])
    age(database, "contexts", "used_at")
    with database.transaction() as tx:
        tx.execute(text("UPDATE contexts SET used_at = clock_timestamp() WHERE length = 3"))
    assert prune(database, older_than=MONTH).contexts == 1
    assert count(database, "contexts") == 3


def test_a_long_conversation_goes_whole(database: Database) -> None:
    old = add_agent(database, days_ago=40)
    for turns in range(1, 41):
        add_call(database, old, [str(turn) for turn in range(turns)])
    age(database, "contexts", "used_at")
    assert prune(database, older_than=MONTH).contexts == 40


def marked(database: Database) -> tuple[list[bytes], object]:
    with database.transaction() as tx:
        before = retention.cutoff(tx, timedelta(hours=1))
        return retention.dead_contexts(tx, before=before), before


def test_a_context_used_again_between_mark_and_sweep_stays(database: Database) -> None:
    prune_me = add_agent(database, days_ago=40)
    add_call(database, prune_me, ["system", "a"])
    age(database, "contexts", "used_at")
    with database.transaction() as tx:
        tx.execute(text("DELETE FROM agents"))
    dead, before = marked(database)
    assert len(dead) == 1
    add_call(database, add_agent(database, days_ago=None), ["system", "a", "b"])
    with database.transaction() as tx:
        assert retention.sweep_contexts(tx, dead, before=before) == 0


def test_a_context_being_used_again_is_passed_over_and_one_being_swept_is_stored_anew(database: Database) -> None:
    said = [{"role": "user", "content": text_} for text_ in ("system", "a")]
    prefixes = Chains().digests(said)
    with database.transaction() as tx:
        store_context(tx, said, prefixes)
    age(database, "contexts", "used_at")
    dead, before = marked(database)
    with database.transaction() as user:
        store_context(user, said, prefixes)
        with database.transaction() as sweeper:
            assert retention.sweep_contexts(sweeper, dead, before=before) == 0
    age(database, "contexts", "used_at")
    dead, before = marked(database)
    stored: list[bytes] = []

    def store() -> None:
        with database.transaction() as tx:
            stored.append(store_context(tx, said, prefixes))

    with database.transaction() as sweeper:
        assert retention.sweep_contexts(sweeper, dead, before=before) == 1
        user_thread = threading.Thread(target=store)
        user_thread.start()
        user_thread.join(0.3)
        assert user_thread.is_alive()  # it waits for the sweeper, and for nothing but this one batch
    user_thread.join(5)
    with database.transaction() as tx:
        assert conversation(tx, stored[0]) == said


def test_an_equal_blob_being_written_again_is_kept(database: Database) -> None:
    agent = add_agent(database, days_ago=None)
    with database.transaction() as tx:
        files.IN_POSTGRES.keep(tx, b"data")
    age(database, "blobs", "created_at")
    with database.transaction() as tx:
        files.write(tx, f"/agents/{agent}/a", b"data", agent_id=agent, syscall_id=new_id())
        assert prune(database, older_than=MONTH).blobs == 0
    assert prune(database, older_than=MONTH).blobs == 0
    assert count(database, "blobs") == 1


def test_a_blob_being_pruned_is_stored_anew(database: Database) -> None:
    agent = add_agent(database, days_ago=None)
    with database.transaction() as tx:
        files.IN_POSTGRES.keep(tx, b"data")
    age(database, "blobs", "created_at")

    def write() -> None:
        with database.transaction() as tx:
            files.write(tx, f"/agents/{agent}/a", b"data", agent_id=agent, syscall_id=new_id())

    with database.transaction() as pruner:
        before = retention.cutoff(pruner, timedelta(hours=1))
        assert retention.drop_blobs(pruner, before=before) == 1
        writer = threading.Thread(target=write)
        writer.start()
        writer.join(0.3)
    writer.join(5)
    with database.transaction() as tx:
        assert files.read(tx, f"/agents/{agent}/a", version=None).data == b"data"


def test_an_age_beyond_all_calendars_removes_nothing(database: Database) -> None:
    add_agent(database, days_ago=400)
    assert prune(database, older_than=timedelta.max).agents == 0


def test_a_negative_age_is_refused(database: Database) -> None:
    with pytest.raises(InvalidArgument, match="older_than"):
        prune(database, older_than=timedelta(days=-1))


def test_the_tables_in_the_code_are_those_of_the_migrations(database: Database) -> None:
    schema.compare(database)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    conversations=st.lists(
        st.tuples(st.lists(st.sampled_from("abc"), min_size=1, max_size=5), st.booleans()), min_size=1, max_size=10
    )
)
def test_whatever_goes_every_conversation_that_stays_is_whole(
    database: Database, conversations: list[tuple[list[str], bool]]
) -> None:
    with database.transaction() as tx:
        tx.execute(text("TRUNCATE agents, contexts CASCADE"))
    kept = {}
    for messages, stays in conversations:
        call = add_call(database, add_agent(database, days_ago=1 if stays else 40), messages)
        if stays:
            kept[call] = messages
    age(database, "contexts", "used_at")
    prune(database, older_than=MONTH)
    with database.transaction() as tx:
        for call, messages in kept.items():
            prompt = tx.execute(text("SELECT prompt FROM syscalls WHERE id = :id"), {"id": call}).scalar_one()
            assert [message["content"] for message in conversation(tx, prompt)] == messages
    prefixes = {tuple(messages[:size]) for messages in kept.values() for size in range(1, len(messages) + 1)}
    assert count(database, "contexts") <= len(prefixes)
