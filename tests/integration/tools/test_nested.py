"""The contract of the port `Nested`, on the fake and on the real thing."""

from __future__ import annotations

from uuid import uuid4

import pytest

from aios.bootstrap.executors import Executors
from aios.bootstrap.parts import Parts
from aios.db import agents
from aios.errors import AccessDenied, InvalidArgument
from aios.kernel.ports import Claimed
from aios.kernel.submission import agent_row
from aios.settings import LimitSettings, Settings
from aios.testing import FakeNested
from aios.tools.nested import NestedSyscalls


def claimed(agent):
    rest = {"errors": 0, "priority": 5, "program": "p", "tenant": "default", "seconds_left": 5.0, "attempt": 1}
    ids = {name: uuid4() for name in ("id", "request_id", "token")}
    return Claimed(**ids, **rest, agent_id=agent, position=0, pool="tool", op="call", payload={})


@pytest.fixture
def real(database, database_url, redis_url):
    parts = Parts(Settings(database_url=database_url, redis_url=redis_url, embedder="hashing"))
    row = agent_row("p", "task", limits=LimitSettings())
    with database.transaction() as tx:
        agents.submit(tx, row, limit=10)
    yield NestedSyscalls(claimed(row["id"]), Executors(parts), parts.database)
    parts.close()


@pytest.fixture
def fake():
    files = {}

    def write(payload):
        files[payload["path"]] = payload["content"]
        return {"path": payload["path"], "version": 1}

    def read(payload):
        return {"content": files[payload["path"]]}

    listed = {("storage", "list"): lambda _: [{"path": path} for path in files]}
    return FakeNested({("storage", "write"): write, ("storage", "read"): read, **listed})


@pytest.fixture(params=["fake", "real"])
def nested(request):
    return request.getfixturevalue(request.param)


class TestNested:
    def test_what_is_for_later_happens_when_the_effect_is_called(self, nested, database):
        later = nested.later("storage", "write", {"path": "a.md", "content": "x"})
        assert nested.now("storage", "list", {"pattern": "**"}) == []
        with database.transaction() as tx:
            assert later.effect(tx)["version"] == 1
        assert nested.now("storage", "read", {"path": "a.md"})["content"] == "x"

    def test_other_pools_are_refused_before_anything_happens(self, nested):
        for pool in ("llm", "tool", "agent"):
            with pytest.raises(InvalidArgument, match="memory and storage"):
                nested.later(pool, "chat", {})


def test_two_notes_of_one_call_are_two_notes(real, database):
    with database.transaction() as tx:
        first, second = (real.later("memory", "add", {"content": text}).effect(tx) for text in ("one", "two"))
    assert first["id"] != second["id"]


@pytest.mark.parametrize(
    ("pool", "op", "payload"),
    [
        ("storage", "read", {"path": "/shared/a"}),
        ("storage", "write", {"path": "/groups/staff/a", "content": "x"}),
        ("storage", "copy", {"source": "a", "target": "/shared/a"}),
        ("memory", "search", {"query": "x", "namespace": "group/staff"}),
        ("memory", "add", {"content": "x", "namespace": "tenant/default"}),
    ],
)
def test_a_tool_reaches_nothing_but_its_agents_own(real, pool, op, payload):
    with pytest.raises(AccessDenied, match="own memory and files"):
        real.later(pool, op, payload)
