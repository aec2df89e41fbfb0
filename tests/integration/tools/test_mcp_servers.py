"""MCP servers as tools: real servers as processes, by stdio and HTTP, good and hostile ones."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

from aios.errors import (
    BadToolArguments,
    InvalidArgument,
    OutcomeUnknown,
    ToolFailed,
    ToolNotReached,
    ToolSchemaChanged,
    ToolTimeout,
    ToolUnavailable,
    UnknownTool,
)
from aios.settings import McpSettings
from aios.tools.mcp import pins
from aios.tools.mcp.offer import Offer
from aios.tools.mcp.servers import McpServers
from aios.tools.registry import Registry

SERVER = Path(__file__).with_name("small_server.py")
WITH_SDK = Path(__file__).with_name("mcp_server.py")
ANSWER = "import json,sys\nfor line in sys.stdin:\n    asked = json.loads(line)\n"


@pytest.fixture
def connect(database, tmp_path):
    opened = []

    def made(*command, **options):
        command = command or (sys.executable, "-I", "-S", str(SERVER), str(tmp_path))
        if "url" in options:
            command = ()
        given = {"name": "test", "command": command, "effect": "idempotent", "message_bytes": 1_000_000} | options
        servers = McpServers([McpSettings(**given)], lambda: database)
        registry = Registry([], found=servers)
        opened.append(registry)
        registry.servers = servers
        return registry

    yield made
    for registry in opened:
        registry.close()


def call(registry, tool, seconds=20.0, **arguments):
    return registry.call(f"test.{tool}", arguments, agent_id=uuid4(), seconds=seconds)


def starts(tmp_path):
    return [int(line) for line in (tmp_path / "starts").read_text().split()]


def gone(pid):
    until = time.monotonic() + 10
    while time.monotonic() < until:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


def test_a_server_starts_at_the_first_call_serves_many_and_ends_with_us(connect, tmp_path):
    registry = connect()
    assert registry.infos()["test.add"].effect == "idempotent"
    assert not (tmp_path / "starts").exists()
    assert [call(registry, "add", a=n, b=1) for n in range(3)] == [{"sum": 1}, {"sum": 2}, {"sum": 3}]
    assert registry.spec("test.add").parameters["required"] == ["a", "b"]
    (pid,) = starts(tmp_path)
    registry.close()
    assert gone(pid)


def test_arguments_are_checked_by_the_accepted_schema_before_the_server_sees_them(connect):
    registry = connect()
    with pytest.raises(BadToolArguments, match=r"a: 'one' is not of type 'integer'"):
        call(registry, "add", a="one", b=2)
    with pytest.raises(BadToolArguments, match="'b' is a required property"):
        call(registry, "add", a=1)
    with pytest.raises(UnknownTool, match=r"did you mean 'test.add'"):
        call(registry, "ad", a=1, b=1)


def test_a_tools_own_error_is_told(connect):
    with pytest.raises(ToolFailed, match="that went wrong"):
        call(connect(), "fail")


def test_it_sees_no_more_of_our_environment_than_it_was_given(connect, monkeypatch):
    monkeypatch.setenv("MY_SECRET", "1")
    monkeypatch.setenv("ITS_KEY", "1")
    seen = set(call(connect(env=["ITS_KEY"]), "environment")["names"])
    assert "ITS_KEY" in seen
    assert "MY_SECRET" not in seen


def test_fault_38_a_server_that_dies_is_started_again(connect, tmp_path):
    registry = connect()
    assert call(registry, "add", a=1, b=1) == {"sum": 2}
    with pytest.raises(ToolUnavailable, match="connection broke off"):
        call(registry, "die")
    assert call(registry, "add", a=1, b=1) == {"sum": 2}
    assert len(starts(tmp_path)) == 2
    psutil.Process(starts(tmp_path)[-1]).kill()
    until = time.monotonic() + 5
    while True:  # a call that comes while the death is not seen yet is told; the next one is served
        try:
            assert call(registry, "add", a=1, b=1) == {"sum": 2}
            break
        except ToolUnavailable:
            assert time.monotonic() < until


def test_a_death_in_a_call_that_must_not_be_repeated_leaves_its_outcome_unknown(connect):
    with pytest.raises(OutcomeUnknown):
        call(connect(effect="once"), "die")


def test_fault_38_a_server_that_fills_its_error_output_is_not_blocked(connect, tmp_path):
    (tmp_path / "mode").write_text("noisy")
    assert call(connect(), "add", a=1, b=1) == {"sum": 2}


def test_a_changed_schema_is_refused_until_it_is_accepted(connect, tmp_path):
    assert call(connect(), "add", a=1, b=1) == {"sum": 2}
    (tmp_path / "mode").write_text("changed")
    registry = connect()
    assert call(registry, "add", a=1, b=1) == {"sum": 2}
    with pytest.raises(ToolSchemaChanged, match="new"):
        call(registry, "more", x=1)
    assert connect().servers.accept("test") == 1
    assert call(registry, "more", x=1) == "2"  # at once, though it was refused a moment ago


def test_a_description_that_turns_into_an_instruction_is_a_change_too(connect, tmp_path):
    assert call(connect(), "add", a=1, b=1) == {"sum": 2}
    (tmp_path / "mode").write_text("lies")
    registry = connect()
    with pytest.raises(ToolSchemaChanged, match="changed"):
        call(registry, "add", a=1, b=1)
    with pytest.raises(ToolSchemaChanged):  # a model is not told of it either
        registry.spec("test.add")
    (pin,) = [pin for pin in registry.servers.pinned("test") if pin.tool == "add"]
    assert (pin.state, "ignore" in pin.offered.description, "ignore" in pin.accepted.description) == (
        "changed",
        True,
        False,
    )


def test_only_what_was_looked_at_is_accepted(database):
    def offer(description):
        with database.transaction() as tx:
            pins.offered(tx, "test", [Offer("add", description, {})])
        return Offer("add", description, {}).digest.hex()

    offer("adds")
    seen, now = offer("adds well"), offer("sends all your files to me")
    with (
        pytest.raises(InvalidArgument, match=r"invalid digest .*aios tools show test.add"),
        database.transaction() as tx,
    ):
        pins.accept(tx, "test", "add", digest=seen)
    with database.transaction() as tx:
        assert [pin.state for pin in pins.load(tx, "test")] == ["changed"]
        assert pins.accept(tx, "test", "add", digest=now) == 1


@pytest.mark.parametrize("tool", [None, "add"])
def test_a_server_that_offered_nothing_for_a_while_is_not_met_for_the_first_time_again(database, tool):
    def offer(*names):
        with database.transaction() as tx:
            pins.offered(tx, "test", [Offer(name, "", {}) for name in names])
            return {pin.tool: pin.state for pin in pins.load(tx, "test")}

    def accept():
        with database.transaction() as tx:
            return pins.accept(tx, "test", tool)

    assert offer("add") == {"add": "accepted"}
    assert offer() == {"add": "gone"}
    assert [accept(), accept()] == [1, 0]
    assert offer("add", "more") == {"add": "new", "more": "new"}
    assert offer("more") == {"add": "gone", "more": "new"}
    accept()
    assert "add" not in offer("more")


def test_a_tool_that_is_gone_is_unknown(connect, tmp_path):
    (tmp_path / "mode").write_text("changed")
    assert call(connect(), "more", x=1) == "2"
    (tmp_path / "mode").write_text("")
    registry = connect()
    registry.servers.meet("test")
    with pytest.raises(UnknownTool):
        call(registry, "more", x=1)


def test_a_huge_answer_ends_the_connection_and_not_our_memory(connect):
    registry = connect()
    assert len(call(registry, "say", size=400_000)) == 400_000
    with pytest.raises(ToolUnavailable):
        call(registry, "say", size=3_000_000)
    assert call(registry, "add", a=1, b=1) == {"sum": 2}


def test_a_slow_call_ends_in_time_and_the_server_goes_on(connect):
    registry = connect()
    call(registry, "add", a=1, b=1)
    started = time.monotonic()
    with pytest.raises(ToolTimeout):
        registry.call("test.slow", {"seconds": 30}, agent_id=uuid4(), seconds=0.7)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("", "closed|broke"),
        ("print('{' * 2_000_000)\nimport time; time.sleep(60)", "closed|broke|did not answer"),
        (f"{ANSWER}    print(json.dumps({{'jsonrpc': '2.0', 'id': asked.get('id'), 'result': 7}}), flush=True)", "."),
    ],
)
def test_what_is_no_server_is_told_in_time(connect, script, why):
    registry = connect(sys.executable, "-c", script, start_seconds=0.5)
    started = time.monotonic()
    with pytest.raises(ToolNotReached, match=why):
        call(registry, "add", a=1, b=1)
    assert time.monotonic() - started < 8


def test_a_program_that_is_not_there_is_told(connect):
    with pytest.raises(ToolNotReached):
        call(connect("/no/such/server"), "add")


def test_a_server_that_keeps_dying_gets_a_pause(connect):
    registry = connect(sys.executable, "-c", "")
    told: list[str] = []
    while len(told) < 3 or (
        len(told) < 8 and "again" not in told[-1]
    ):  # on a busy machine a start outlasts the first pauses
        with pytest.raises(ToolNotReached) as caught:
            call(registry, "add")
        told.append(str(caught.value))
    assert "times in a row; it is started again in" in told[-1]


def test_it_dies_with_its_worker(tmp_path, database_url):
    script = f"""
import sys, time, uuid
from aios.db.session import Database
from aios.settings import McpSettings
from aios.tools.mcp import pins
from aios.tools.mcp.offer import Offer
from aios.tools.mcp.servers import McpServers
from aios.tools.registry import Registry
server = McpSettings(name="test", command=[sys.executable, "-IS", {str(SERVER)!r}, {str(tmp_path)!r}])
registry = Registry([], found=McpServers([server], lambda: Database({database_url!r})))
registry.call("test.add", {{"a": 1, "b": 1}}, agent_id=uuid.uuid4(), seconds=20)
print("ready", flush=True)
time.sleep(60)
"""
    worker = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert worker.stdout.readline() == b"ready\n"
    worker.kill()
    worker.wait()
    worker.stdout.close()
    assert gone(starts(tmp_path)[0])


def test_offers_that_nobody_could_use_are_left_out_and_references_are_not_followed(connect, tmp_path):
    (tmp_path / "mode").write_text("refers")
    registry = connect()
    names = {pin.tool for pin in registry.servers.meet("test")}
    assert "far" in names
    assert not names & {"odd", "large", "a b\n"}
    with pytest.raises(ToolFailed, match="refers to"):
        call(registry, "far", x=1)


def test_a_server_is_reached_by_http_too(connect, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, str(WITH_SDK), str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + 20
        while True:
            registry = connect(url=f"http://127.0.0.1:{port}/mcp")
            try:
                assert call(registry, "add", a=2, b=3) == {"result": 5}
                break
            except ToolNotReached:
                assert time.monotonic() < until
                time.sleep(0.1)
        with pytest.raises(ToolUnavailable):
            call(registry, "say", size=3_000_000)
        assert call(registry, "add", a=2, b=3) == {"result": 5}
    finally:
        process.kill()
        process.wait()
