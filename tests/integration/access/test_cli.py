"""The commands of access: mistakes are one clear line, and an altered log is code 1."""

from __future__ import annotations

import pytest

from aios.db import audit
from tests.cli import aios

__all__ = ["aios"]


@pytest.fixture(autouse=True)
def system(database, database_url, redis_url, monkeypatch):
    monkeypatch.setenv("AIOS_DATABASE_URL", database_url)
    monkeypatch.setenv("AIOS_REDIS_URL", redis_url)
    return database


def test_a_callers_mistake_is_one_clear_line_and_code_2(aios):
    for arguments, line in (
        (("grant", "alice", "read", "file:/x"), "invalid principal 'alice': give tenant:NAME, user:NAME"),
        (("grant", "user:alice", "reed", "file:/x"), "invalid operation 'reed': give one of read, write"),
        (("grant", "user:alice", "read", "/x"), "invalid resource '/x': give KIND:NAME"),
        (("grant", "user:alice", "read", "file:/x", "--expires", "soon"), "invalid age 'soon'"),
        (("revoke", "nonsense"), "no grant 'nonsense'"),
        (("grants", "alice"), "invalid principal 'alice'"),
        (("grant", "agent:last", "read", "file:/x", "--deny"), "no agent 'last'"),
        (("group", "add", "staff", "agent:ffffff"), "no agent 'ffffff'"),
        (("audit", "--action", "eaten"), "invalid action 'eaten': give one of denied, approval"),
        (("group", "add", "staff", "group:other"), "invalid member 'group:other'"),
        (("group", "remove", "staff", "user:alice"), "no member of group 'staff' 'user:alice'"),
        (("approve", "last"), "no approval 'last'"),
        (("approve", "ffffff"), "no approval 'ffffff'"),
        (
            ("approve", "01a201d0-80ac-7597-b0bc-2d24195f74e8", "--edit", "[1]"),
            "invalid edit '[1]': give a JSON object",
        ),
        (("approve", "01a201d0-80ac-7597-b0bc-2d24195f74e8", "--edit", "{"), "invalid edit '{': it is no JSON"),
        (("deny", "nonsense"), "no approval 'nonsense'"),
        (("audit", "verify", "--head", "x"), "invalid head 'x': give the 64 hexadecimal digits"),
        (("allowed", "last", "read", "file:/x"), "no agent 'last'"),
        (("submit", "echo", "x", "--group", " "), "invalid principal 'group: '"),
    ):
        answer = aios(*arguments)
        assert (answer.code, answer.out) == (2, ""), (arguments, answer)
        assert answer.err.startswith(f"aios: {line}"), (arguments, answer)
        assert answer.err.count("\n") == 1


def test_an_agent_is_named_by_a_part_of_its_id_as_everywhere(aios):
    agent = aios("submit", "echo", "x").out.strip()
    for part in ("last", agent[-8:]):
        aios("grant", f"agent:{part}", "read", "file:/shared/**", "--deny")
        assert aios("group", "add", part, f"agent:{part}").code == 0
    assert {row["principal"] for row in aios("grants", f"agent:{agent[:30]}", "--json").json} == {f"agent:{agent}"}
    assert {row["member"] for row in aios("group", "list", "--json").json} == {f"agent:{agent}"}
    assert aios("group", "remove", "last", "agent:last").code == 0


def test_scripts_get_json(aios):
    made = aios("grant", "user:alice", "*", "file:/shared/**", "--deny", "--json").json["id"]
    (row,) = aios("grants", "user:alice", "--json").json
    assert (row["id"], row["allow"], row["pattern"]) == (made, False, "file:/shared/**")
    aios("group", "add", "staff", "user:alice")
    assert [row["member"] for row in aios("group", "list", "--json").json] == ["user:alice"]
    assert aios("approvals", "--json").json == []
    assert [row["action"] for row in aios("audit", "--json").json] == ["joined", "granted"]
    assert aios("audit", "verify", "--json").json["good"] is True
    assert aios("revoke", made).code == 0
    assert aios("grants", "--json").json == []


def test_an_altered_log_is_told_and_is_code_1(aios, system):
    aios("group", "add", "staff", "user:alice", "user:bob")
    with system.transaction() as tx:
        audit.seal(tx)
    head = aios("audit", "verify", "--json").json["head"]
    assert aios("audit", "verify", "--head", head).code == 0
    missing = aios("audit", "verify", "--head", "0" * 64)
    assert (missing.code, "is not in the chain" in missing.out) == (1, True)
    with system.transaction() as tx:
        tx.exec_driver_sql("ALTER TABLE audit_log DISABLE TRIGGER grows_only")
        tx.exec_driver_sql("UPDATE audit_log SET detail = '{}' WHERE id = 1")
    answer = aios("audit", "verify")
    assert (answer.code, answer.out.splitlines()[0]) == (1, "row 1 was changed")
    assert "ALTERED" in answer.out
