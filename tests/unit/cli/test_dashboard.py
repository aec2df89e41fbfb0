"""The screen of `aios top`: what it shows, and what its keys do."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from uuid import UUID

import pytest
from textual.widgets import DataTable, Static

from aios.cli import dials
from aios.cli.dashboard import Dashboard
from aios.errors import AgentEnded, DatabaseUnavailable
from aios.sdk.gauges import Gauges

NOW = datetime.now(tz=UTC)


def agent(number, *, state="waiting", tokens=10, task="do it", **more):
    row = {"id": UUID(int=number), "program": "react", "state": state, "priority": 5, "tokens": tokens, "steps": 1}
    row |= {"created_at": NOW, "task": task, "waiting_seconds": 1.25, "service_seconds": 700, "doing": "llm.chat"}
    return row | more


def gauges(agents, *, at=0.0, **more):
    queue = {"pool": "llm", "queued": 3, "running": 2, "oldest_seconds": 12.4}
    core = {"name": "tgi", "model": "llama", "slots": 4, "used": 2, "state": "active", "breaker": "closed"}
    fields = {
        "at_seconds": at,
        "states": {"running": 1, "waiting": len(agents) - 1},
        "queues": [{**queue, "priority": 0}, {**queue, "priority": 5, "queued": 9, "oldest_seconds": 3.0}],
        "capacity": {"llm": {"places": 8, "workers": 1}, "tool": {"places": 4, "workers": 1}},
        "cores": [core],
        "agents": agents,
        "tokens": {str(row["id"]): row["tokens"] for row in agents},
        "failures": [
            {"id": UUID(int=9), "program": "react", "type": "ToolFailed", "message": "no\x1b[2J", "finished_at": NOW}
        ],
        "approvals": [],
    }
    return Gauges(**(fields | more))


class Client:
    """Answers what a test says, and keeps what it was told to do."""

    def __init__(self, *looks):
        self.looks = list(looks)
        self.told = []
        self.error = None

    def gauges(self, *, limit):
        found = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if isinstance(found, Exception):
            raise found
        return found

    def __getattr__(self, verb):
        def do(*arguments):
            if self.error:
                raise self.error
            self.told.append((verb, *arguments))
            return list(arguments[:1])

        return do


def on_screen(client, steps, *, size=(120, 40)):
    """Run steps on a screen."""

    async def run():
        app = Dashboard(client, every_seconds=60)
        async with app.run_test(size=size) as pilot:
            await app.workers.wait_for_complete()
            await pilot.pause()
            await steps(app, pilot)

    asyncio.run(run())


def text_of(app, name):
    return str(app.query_one(f"#{name}", Static).content)


def test_a_low_terminal_shows_the_agents_that_keys_go_for():
    async def steps(app, pilot):
        assert app.query_one("#agents").size.height >= 4
        assert app.query_one("#above").size.height == 0
        await pilot.resize_terminal(120, 40)
        await pilot.pause()
        assert app.query_one("#above").size.height > 0

    on_screen(Client(gauges([agent(number) for number in range(1, 20)])), steps, size=(40, 12))


def test_a_small_terminal_shows_how_fast_tokens_go_and_a_line_per_failure():
    failure = {"id": UUID(int=9), "program": "react", "type": "ToolFailed", "message": "no " * 90, "finished_at": NOW}
    looks = [gauges([agent(1)], at=at, failures=[failure] * 4) for at in (0.0, 1.0)]

    async def steps(app, pilot):
        app.look()
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert "tokens/s" in text_of(app, "headline")
        assert app.query_one("#headline").size.height == 2
        assert [len(line) <= 78 for line in text_of(app, "failures").splitlines()] == [True] * 4

    on_screen(Client(*looks), steps, size=(80, 24))


def test_all_tables_are_filled_and_the_chosen_agent_stays_chosen():
    rows = [agent(number) for number in range(1, 201)]
    client = Client(gauges(rows), gauges([agent(999, state="running"), *rows], at=2.0))

    async def steps(app, pilot):
        table = app.query_one("#agents", DataTable)
        assert table.row_count == 200
        await pilot.press("down", "down", "down")
        chosen = app._chosen()
        app.look()
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert table.row_count == 201
        assert app._chosen() == chosen == str(UUID(int=4))
        assert "5 tokens/s" in text_of(app, "headline")
        assert "waiting 200" in text_of(app, "headline")
        assert "\x1b" not in text_of(app, "failures")
        assert "ToolFailed" in text_of(app, "failures")

    on_screen(client, steps)


def test_keys_steer_the_chosen_agent_and_ask_before_they_cancel():
    client = Client(gauges([agent(1), agent(2, state="paused")]))
    one, two = str(UUID(int=1)), str(UUID(int=2))

    async def steps(app, pilot):
        await pilot.press("n", "0", "k", "n", "k", "y", "p", "down", "p", "n", "x", "k", "escape")
        await app.workers.wait_for_complete()
        assert sorted(client.told) == sorted([("nice", one, 0), ("cancel", one), ("pause", one), ("resume", two)])

    on_screen(client, steps)


def test_an_approval_is_shown_before_it_is_given():
    waits = {
        "id": UUID(int=7),
        "agent_id": UUID(int=1),
        "operation": "delete",
        "resource": "file:/a",
        "arguments": {"path": "a"},
    }
    client = Client(gauges([agent(1), agent(2)], approvals=[waits]))

    async def steps(app, pilot):
        await pilot.press("a")
        assert "approve delete file:/a" in text_of(app, "question")
        await pilot.press("y", "down", "a")
        await app.workers.wait_for_complete()
        assert client.told == [("approve", str(UUID(int=7)))]

    on_screen(client, steps)


@pytest.mark.parametrize("error", [DatabaseUnavailable("here", "gone"), AgentEnded("x", "done")])
def test_an_error_is_told_and_the_screen_goes_on(error):
    client = Client(gauges([agent(1)]), error, gauges([agent(1), agent(2)]))

    async def steps(app, pilot):
        client.error = error
        await pilot.press("p")
        for _ in range(2):  # the first look fails too
            await app.workers.wait_for_complete()
            app.look()
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert app.query_one("#agents", DataTable).row_count == 2
        assert any(str(error) in note.message for note in app._notifications)

    on_screen(client, steps)


def test_an_empty_system_has_an_empty_screen_and_keys_do_nothing():
    async def steps(app, pilot):
        await pilot.press("n", "p", "k", "a")
        assert app.query_one("#agents", DataTable).row_count == 0

    client = Client(gauges([], queues=[], capacity={}, cores=[], failures=[]))
    on_screen(client, steps)
    assert client.told == []


def test_a_pools_queue_is_told_by_priority_with_its_oldest():
    llm, tool = dials.pools(gauges([agent(1)]))
    assert llm == ("llm", 4, 8, 12, "12 s", "0:3 5:9")
    assert tool == ("tool", 0, 4, 0, "", "")


def test_durations_are_short():
    assert [dials.seconds(value) for value in (None, 0.04, 12.4, 3600)] == ["", "0.0 s", "12 s", "60 min"]
