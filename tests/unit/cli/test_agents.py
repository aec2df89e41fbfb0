"""How `aios show` tells the way of a long answer."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from aios.cli import screen
from aios.cli.agents import _COLUMNS, _call, _cells, _journalled


def call(way, pool="llm"):
    return {
        "seq": "1", "pool": pool, "op": "chat", "state": "done", "attempt": 2, "waiting_ms": 1.0, "running_ms": 2.0,
        "usage": None, "error": None, "label": "llm.chat", "way": way,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("way", "told"),
    [
        (None, "llm.chat"),
        ({"resume": "rerun"}, "llm.chat"),
        ({"resume": "kv", "slices": 1}, "llm.chat"),
        ({"resume": "kv", "slices": 6, "switches": 1}, "llm.chat: 6 slices, 1 switch"),
        ({"resume": "kv", "slices": 6, "switches": 3}, "llm.chat: 6 slices, 3 switches"),
        ({"resume": "kv", "slices": 6, "again": "rerun"}, "llm.chat: 6 slices, begun again (rerun)"),
        ({"resume": "rerun", "again": "inexact"}, "llm.chat: begun again (inexact)"),
    ],
)
def test_a_call_says_in_how_many_slices_it_came_and_what_happened_between_them(way, told):
    assert _call(call(way))[-1] == told


def test_scripts_read_it_by_name():
    told = _journalled(call({"finish_reason": "stop", "resume": "kv", "slices": 6, "switches": 1, "context": {}}))
    assert {name: told[name] for name in ("kind", "resume", "slices", "switches")} == {
        "kind": "llm", "resume": "kv", "slices": 6, "switches": 1,
    }  # fmt: skip
    assert not {"finish_reason", "context", "again"} & set(told)
    assert "resume" not in _journalled(call(None, pool="tool"))


@pytest.mark.parametrize(("columns", "id_"), [(80, "be54762f820f"), (120, "01a20127-4fd1-7339-8c27-be54762f820f")])
def test_a_terminal_of_80_columns_shows_every_column_of_a_list_and_as_much_of_an_id_as_commands_need(
    monkeypatch, capsys, columns, id_
):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    row = {
        "id": "01a20127-4fd1-7339-8c27-be54762f820f", "program": "react", "state": "waiting", "priority": 5,
        "created_at": datetime.now(UTC), "steps": 12, "tokens": 12345, "task": "What is 17 * 23, please?",
    }  # fmt: skip
    screen.show_table(_COLUMNS, _cells([row]))
    shown = capsys.readouterr().out
    assert id_ in shown
    assert all(word in shown for word in ("react", "waiting", "12345", "TASK", "What"))
