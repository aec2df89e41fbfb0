"""`aios top` on a real Postgres, and in a terminal."""

from __future__ import annotations

import os
import pty
import select
import struct
import sys
import termios
import time
from fcntl import ioctl
from subprocess import Popen

from sqlalchemy import insert

from aios.db.tables import requests, syscalls
from aios.kernel.ids import new_id
from aios.sdk.client import Client


def call(tx, agent, pool, state, *, priority=5, started=False):
    request = new_id()
    row = {
        "id": request,
        "agent_id": agent,
        "generation": 0,
        "seq": "1",
        "label": f"{pool}.x",
        "digest": b"",
        "pending": 1,
    }
    tx.execute(insert(requests).values(row))
    row = {"id": new_id(), "agent_id": agent, "request_id": request, "position": 0, "pool": pool, "op": "chat"}
    tx.execute(insert(syscalls).values(**row, effect="none", payload={}, priority=priority, state=state))
    at = "queued_at = clock_timestamp() - interval '3 seconds', created_at = clock_timestamp() - interval '5 seconds'"
    if started:
        at += ", started_at = clock_timestamp() - interval '2 seconds'"
    tx.exec_driver_sql(f"UPDATE syscalls SET {at} WHERE request_id = '{request}'")


def test_the_gauges_tell_queues_agents_and_failures(aios, system):
    queued, running, failed = (aios("submit", "echo", "hello", "--json").json["id"] for _ in range(3))
    with system.transaction() as tx:
        call(tx, queued, "llm", "queued", priority=2)
        call(tx, running, "llm", "running", started=True)
        tx.exec_driver_sql(
            "UPDATE agents SET state = 'failed', finished_at = clock_timestamp(), tokens = 7, runnable = false,"
            """ error = '{"type": "ToolFailed", "message": "broke", "args": []}' WHERE id = """ + f"'{failed}'"
        )
    told = aios("top", "--json").json
    assert told["states"] == {"queued": 2, "failed": 1}
    pools = {(row["pool"], row["priority"]): (row["queued"], row["running"]) for row in told["queues"]}
    assert pools == {("agent", 5): (2, 0), ("llm", 2): (1, 0), ("llm", 5): (0, 1)}
    agents = {row["id"]: row for row in told["agents"]}
    assert set(agents) == {queued, running, failed}
    assert 3 <= agents[running]["waiting_seconds"] < 60
    assert agents[running]["service_seconds"] >= 2
    assert agents[queued]["service_seconds"] is None
    assert agents[queued]["doing"] == "llm.chat (queued)"
    assert [row["message"] for row in told["failures"]] == ["broke"]
    assert "queued 2" in aios("top").out


def test_tokens_per_second_are_those_spent_between_two_looks(system, database_url, redis_url):
    with Client(database_url=database_url, redis_url=redis_url) as client:
        agents = [client.submit("echo", "hello") for _ in range(2)]
        before = client.gauges()
        with system.transaction() as tx:
            tx.exec_driver_sql("UPDATE agents SET tokens = 50")
        after = client.gauges()
    passed = after.at_seconds - before.at_seconds
    assert after.tokens_per_second(before) == 100 / passed
    assert set(after.tokens) == set(agents)


def test_in_a_terminal_it_shows_the_agents_and_ends_at_q(aios, system):
    agent = aios("submit", "echo", "watch me", "--json").json["id"]
    main, side = pty.openpty()
    ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 120, 0, 0))
    command = [sys.executable, "-m", "aios", "top", "--every", "0.3"]
    env = {**os.environ, "TERM": "xterm-256color"}
    with Popen(command, stdin=side, stdout=side, stderr=side, env=env, start_new_session=True) as process:
        os.close(side)
        try:
            assert agent[-12:] in screen_until(main, agent[-12:])
            os.write(main, b"q")
            screen_until(main, "never shown", seconds=20)
            assert process.wait(20) == 0
        finally:
            process.kill()
            os.close(main)


def screen_until(terminal, wanted, *, seconds=40):
    """All that was written to a terminal until something wanted appears, the terminal is closed or time is over."""
    seen, end = "", time.monotonic() + seconds
    while wanted not in seen and time.monotonic() < end:
        if not select.select([terminal], [], [], 0.2)[0]:
            continue
        try:
            seen += os.read(terminal, 65536).decode("utf-8", "replace")
        except OSError:  # nobody writes any more
            break
    return seen
