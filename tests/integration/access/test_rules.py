"""What agents may reach: their own, and what is granted; decided before anything is journalled."""

from __future__ import annotations

import threading
from datetime import timedelta
from uuid import UUID

import pytest

from aios.db import access
from aios.errors import InvalidArgument, NotFound

SHARED = "/groups/staff/plan.md"


def test_fault_17_an_agent_reaches_its_own_files_and_nobody_elses(world):
    first, result = world.done([["write", "mine.txt", "x"], ["read", "mine.txt"]])
    assert result[1] == "x"
    other = f"/agents/{first}/mine.txt"
    steps = [["read", other], ["write", other, "y"], ["delete", other], ["write", SHARED, "y"], ["list", "/shared/**"]]
    steps += [["raw", "storage", "group", {"key": "type", "pattern": f"/agents/{first}/*"}]]
    steps += [["raw", "storage", "join", {"left": "**", "right": f"/agents/{first}/**"}]]
    _, result = world.done(steps)
    assert result == ["AccessDenied"] * 7
    assert len(world.audited("denied")) == 7


def test_fault_14_an_agent_is_who_the_process_table_says_and_not_who_it_says(world):
    """Rights come with the agent's row; nothing that a program or a model names in a request changes them."""
    world.client.grant("user:alice", "read", "file:/groups/staff/**")
    world.done([["write", SHARED, "x"]], groups=["staff"])
    first, _ = world.done([["read", SHARED]], owner="alice")
    forged = {
        "path": SHARED,
        "owner": "alice",
        "agent_id": first,
        "agent": first,
        "tenant": "staff",
        "groups": ["staff"],
    }
    assert world.done([["raw", "storage", "read", forged]], owner="mallory")[1] == ["AccessDenied"]


def test_fault_18_nothing_is_shared_that_is_not_ones_own_and_nothing_without_a_human(world):
    world.done([["write", SHARED, "x"]], groups=["staff"])
    steps = [["raw", "storage", "share", {"path": path}] for path in (SHARED, "/etc/passwd", "../../secret")]
    assert world.done(steps)[1] == ["AccessDenied", "PathDenied", "PathDenied"]
    agent = world.client.submit("does", [["write", "mine", "x"], ["raw", "storage", "share", {"path": "mine"}]])
    world.run()
    assert [row["kind"] for row in world.client.approvals(agent)] == ["share"]


def test_a_member_of_a_group_reaches_its_files_and_so_do_its_children(world):
    _, result = world.done([["write", SHARED, "x"]], groups=["staff"])
    assert result == [1]
    agent = world.client.submit("parent", [["read", SHARED], ["read", "/groups/other/plan.md"]], groups=["staff"])
    world.run()
    assert world.client.result(agent, timeout=0).value == ["x", "AccessDenied"]
    assert world.client.get(agent)["groups"] == ["staff"]


def test_a_grant_opens_a_revoke_closes_and_a_deny_wins(world):
    world.done([["write", SHARED, "x"]], groups=["staff"])
    grant = world.client.grant("tenant:default", "read", "file:/groups/staff/**")
    read = [["read", SHARED], ["write", SHARED, "y"]]
    assert world.done(read)[1] == ["x", "AccessDenied"]
    denied = world.client.grant("user:mallory", "*", "file:/groups/**", deny=True)
    assert world.done(read, owner="mallory", groups=["staff"])[1] == ["AccessDenied"] * 2
    world.client.revoke(denied)
    world.client.revoke(grant)
    assert world.done(read)[1] == ["AccessDenied"] * 2
    assert [row["action"] for row in world.audited(None) if row["action"] != "denied"] == [
        "revoked",
        "revoked",
        "granted",
        "granted",
    ]
    with pytest.raises(NotFound):
        world.client.revoke(grant)


def test_a_grant_ends_when_it_expires(world):
    world.done([["write", SHARED, "x"]], groups=["staff"])
    world.client.grant("tenant:default", "read", "file:/groups/staff/**", expires=timedelta(seconds=1))
    assert world.done([["read", SHARED]])[1] == ["x"]
    with world.database.transaction() as tx:
        tx.exec_driver_sql("SELECT pg_sleep(1)")
    assert world.done([["read", SHARED]])[1] == ["AccessDenied"]  # from the cache too: no version has changed
    assert world.client.grants() == []


def test_joining_a_group_counts_at_once_and_leaving_it_too(world):
    world.done([["write", SHARED, "x"]], groups=["staff"])
    world.client.join_group("staff", "user:alice")
    assert world.done([["read", SHARED]], owner="alice")[1] == ["x"]
    world.client.leave_group("staff", "user:alice")
    assert world.done([["read", SHARED]], owner="alice")[1] == ["AccessDenied"]
    with pytest.raises(InvalidArgument):
        world.client.join_group("staff", "group:other")


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_grant_revoked_between_decision_and_journal_lets_nothing_through(world, when):
    """`meanwhile`: the revoke has begun and is committed while the recording statement waits for it."""
    world.done([["write", SHARED, "x"]], groups=["staff"])
    grant = world.client.grant("tenant:default", "read", "file:/groups/staff/**")
    agent = world.client.submit("does", [["read", SHARED]])
    write, drives = world.drive._write, []

    def revoke_first(driven, progress, live, own):
        drives.append([issued.request.name for issued in progress.issued])
        if len(drives) == 1:
            revoke = threading.Thread(target=slow_revoke, args=(world, grant, began := threading.Event()))
            revoke.start()
            began.wait(10)
            if when == "before":
                revoke.join(10)
        return write(driven, progress, live, own)

    object.__setattr__(world.drive, "_write", revoke_first)
    world.run()
    assert drives[0] == ["storage.read"]
    assert len(drives) >= 2
    assert world.client.result(agent, timeout=0).value == ["AccessDenied"]
    assert [call for call in world.client.journal(agent) if call["op"] == "read"] == []


def slow_revoke(world, grant, began):
    """A revoke that takes a while from its lock to its commit."""

    def change(tx):
        began.set()
        access.revoke(tx, UUID(grant), by="user:operator")
        tx.exec_driver_sql("SELECT pg_sleep(0.3)")

    access.changing(world.client._parts.database, change)


def test_a_revoke_waits_for_those_who_record_and_for_nobody_else(world, database):
    """Whoever has begun to record reads the version's table: Postgres lets the change have it only after."""
    grant = world.client.grant("tenant:default", "read", "file:/groups/staff/**")
    with database.transaction() as recording:
        recording.exec_driver_sql("SELECT version FROM access_version")
        done = threading.Event()
        thread = threading.Thread(target=lambda: (world.client.revoke(grant), done.set()))
        thread.start()
        assert not done.wait(0.5)
    thread.join(10)
    assert done.is_set()
    assert world.client.grants() == []


def test_an_agent_waits_for_its_own_tree_only(world):
    stranger, _ = world.done([])
    steps = [["wait", stranger]]
    assert world.done(steps)[1] == ["AccessDenied"]
    world.client.grant("tenant:default", "wait", f"agent:{stranger}")
    assert world.done(steps)[1] == [[]]


def test_an_agent_that_asks_knows_beforehand(world):
    world.client.grant("tenant:default", "read", "file:/groups/staff/**")
    steps = [["check", "read", f"file:{SHARED}"], ["check", "write", f"file:{SHARED}"], ["check", "fly", "file:/x"]]
    assert world.done(steps)[1] == [True, False, "InvalidArgument"]
    assert world.audited("denied") == []


def test_a_tool_or_a_model_can_be_forbidden(world):
    world.client.grant("user:mallory", "call", "tool:look", deny=True)
    world.client.grant("user:mallory", "call", "llm:**", deny=True)
    steps = [["tool", "look", {}], ["act", "do it", ["look"]]]
    assert world.done(steps, owner="mallory")[1] == ["AccessDenied"] * 2
    assert world.done(steps[:1], owner="alice")[1] == ["did it"]


def test_fault_32_another_agents_memory_is_refused_before_anything_is_looked_up(world):
    first, _ = world.done([["add", "the vault opens with 1234"]])
    steps = [["search", "vault", f"agent/{first}"]]
    assert world.done(steps)[1] == ["AccessDenied"]


def test_a_rule_that_cannot_be_is_refused(world):
    for rule in (
        ("alice", "read", "file:/x"),
        ("user:", "read", "file:/x"),
        ("user:alice", "reed", "file:/x"),
        ("user:alice", "read", "/x"),
        ("user:alice", "read", "file:x"),
        ("user:alice", "read", "disk:/x"),
        (3, "read", "file:/x"),
    ):
        with pytest.raises(InvalidArgument, match="give "):
            world.client.grant(*rule)
    assert world.client.grants() == []
