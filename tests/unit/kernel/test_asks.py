"""What a request asks of the rules."""

from __future__ import annotations

from uuid import UUID

import pytest

from aios.errors import InvalidArgument, PathDenied
from aios.kernel.access import Ask
from aios.kernel.agent import Agent
from aios.kernel.asks import asks
from aios.kernel.request import Request

ME = UUID(int=7)
AGENT = Agent(id=ME)
OTHER = UUID(int=8)


@pytest.mark.parametrize(
    ("request_", "asked"),
    [
        (AGENT.storage.read("a.txt"), [("read", f"file:/agents/{ME}/a.txt", False)]),
        (AGENT.storage.write("/shared/a", "x"), [("write", "file:/shared/a", False)]),
        (AGENT.storage.delete("/shared/a"), [("delete", "file:/shared/a", False)]),
        (AGENT.storage.delete("/shared/a", everything=True), [("delete", "file:/shared/a", True)]),
        (AGENT.storage.list("/groups/g/*.md"), [("read", "file:/groups/g", True)]),
        (AGENT.storage.list("/**"), [("read", "file:/", True)]),
        (AGENT.storage.list(), [("read", f"file:/agents/{ME}", True)]),
        (AGENT.storage.group("type", pattern="/shared/a*/b"), [("read", "file:/shared", True)]),
        (AGENT.storage.group("day"), [("read", f"file:/agents/{ME}", True)]),
        (
            AGENT.storage.join("in/*", "/groups/g/**"),
            [("read", f"file:/agents/{ME}/in", True), ("read", "file:/groups/g", True)],
        ),
        (
            AGENT.storage.move("/shared/a", "b"),
            [("delete", "file:/shared/a", True), ("write", f"file:/agents/{ME}/b", True)],
        ),
        (
            AGENT.storage.copy("/shared/a", "b"),
            [("read", "file:/shared/a", True), ("write", f"file:/agents/{ME}/b", True)],
        ),
        (AGENT.storage.rollback("/shared/a", 1), [("write", "file:/shared/a", False)]),
        (Request("storage", "share", {"path": "/shared/a"}), [("share", "file:/shared/a", False)]),
        (Request("storage", "shred", {"path": "/shared/a"}), [("delete", "file:/shared/a", False)]),
        (AGENT.memory.search("x"), [("read", f"memory:agent/{ME}", False)]),
        (Request("memory", "search", {"namespace": "group/g"}), [("read", "memory:group/g", False)]),
        (
            Request("memory", "search", {"namespaces": ["group/g", "tenant/t"]}),
            [("read", "memory:group/g", False), ("read", "memory:tenant/t", False)],
        ),
        (Request("memory", "burn", {"namespace": "group/g"}), [("delete", "memory:group/g", False)]),
        (AGENT.llm.chat("hi"), [("call", "llm:default", False)]),
        (
            AGENT.llm.act("hi", tools=["a", "b"], model="m").request,
            [("call", "llm:m", False), ("call", "tool:a", False), ("call", "tool:b", False)],
        ),
        (
            Request("llm", "chat", {"recall": {"namespace": "group/g"}, "remember": {"tags": []}}),
            [("call", "llm:default", False), ("read", "memory:group/g", False), ("write", f"memory:agent/{ME}", False)],
        ),
        (AGENT.tool.call("send", to="x"), [("call", "tool:send", False)]),
        (AGENT.spawn("p", 1), [("spawn", "program:p", False)]),
        (AGENT.wait(str(OTHER)), [("wait", f"agent:{OTHER}", False)]),
        (AGENT.sleep(1), []),
        (AGENT.ask("?"), []),
    ],
)
def test_a_request_asks_for_what_it_touches(request_, asked):
    assert asks(request_, ME) == tuple(Ask(*one) for one in asked)


@pytest.mark.parametrize(
    "path", ["../x", "/etc/passwd", "/agents/../shared/x", "a\x00b", "/agents", "/shared//x", "x" * 3000]
)
def test_fault_17_a_path_that_leads_out_is_refused_before_anything_is_planned(path):
    with pytest.raises((PathDenied, InvalidArgument)):
        asks(AGENT.storage.write(path, "x"), ME)
