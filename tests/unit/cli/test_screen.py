from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from rich.console import Console

from aios.cli import screen


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_table_in_a_pipe_has_plain_columns(capsys) -> None:
    screen.show_table(("NAME", "STATE"), [("a-long-name", "done"), ("b", None)])
    assert capsys.readouterr().out == "NAME         STATE\na-long-name  done\nb\n"


def test_an_empty_table_is_its_head(capsys) -> None:
    screen.show_table(("NAME", "STATE"), [])
    assert capsys.readouterr().out == "NAME  STATE\n"


def test_json_carries_what_postgres_gives(capsys) -> None:
    agent = UUID("01a20127-4fd1-7339-be54-762f820f8c27")
    screen.show_json({"id": agent, "at": datetime(2026, 1, 2, tzinfo=UTC), "waiting_ms": Decimal("1.25"), "text": "ü"})
    printed = capsys.readouterr().out
    assert json.loads(printed) == {
        "id": str(agent),
        "at": "2026-01-02T00:00:00+00:00",
        "waiting_ms": 1.25,
        "text": "ü",
    }
    assert "ü" in printed


def test_a_narrow_terminal_never_cuts_an_id() -> None:
    agent = "01a20127-4fd1-7339-be54-762f820f8c27"
    console = Console(file=io.StringIO(), width=60)
    console.print(screen.table(("ID", "PROGRAM", "STATE", "TASK"), [(agent, "echo", "done", "a long task " * 9)]))
    assert agent in console.file.getvalue()


def test_markup_in_a_cell_is_shown_as_it_is() -> None:
    console = Console(file=io.StringIO(), width=80)
    console.print(screen.table(("TASK",), [("[bold]no[/bold]",)]))
    assert "[bold]no[/bold]" in console.file.getvalue()


def test_what_a_model_says_cannot_steer_a_terminal_but_passes_a_pipe_unchanged() -> None:
    said = "one\ttwo\n\x1b[2Jthree\x07\x9b"
    assert screen.safe(said, to=Terminal()) == "one\ttwo\n\ufffd[2Jthree\ufffd\ufffd"
    assert screen.safe(said, to=io.StringIO()) == said


@pytest.mark.parametrize(
    ("back", "text"),
    [
        (timedelta(seconds=3), "3 s ago"),
        (timedelta(minutes=5), "5 min ago"),
        (timedelta(hours=3), "3 h ago"),
        (timedelta(days=2), "2 d ago"),
        (timedelta(seconds=-9), "0 s ago"),
    ],
)
def test_an_age_has_one_unit(back, text) -> None:
    assert screen.ago(datetime.now(UTC) - back) == text


@pytest.mark.parametrize(("value", "text"), [(None, ""), (Decimal("12.4"), "12 ms"), (12_345, "12.3 s")])
def test_a_duration_is_told_in_its_unit(value, text) -> None:
    assert screen.milliseconds(value) == text


def test_a_value_is_cut_to_one_line() -> None:
    assert screen.shortened("a\n  b") == "a b"
    assert screen.shortened({"a": [1]}) == '{"a": [1]}'
    assert screen.shortened("x" * 99, 10) == "x" * 9 + "…"


def test_a_result_is_shown_as_people_read_it() -> None:
    assert screen.as_text("hello") == "hello"
    assert json.loads(screen.as_text({"n": 1})) == {"n": 1}


def test_a_narrow_terminal_has_whole_names_and_states_and_no_column_that_says_nothing(monkeypatch) -> None:
    monkeypatch.setattr(screen, "is_narrow", lambda: True)
    console = Console(file=io.StringIO(), width=40)
    columns = ("NAME", "STATE", "KIND", "MODEL", "ALIASES", "COST", "URL")
    console.print(screen.table(columns, [("default", "draining", "tgi", "", "", None, "http://127.0.0.1:28887")]))
    shown = console.file.getvalue()
    assert "default" in shown
    assert "draining" in shown
    assert "COST" not in shown


def test_a_closed_standard_output_is_no_terminal(monkeypatch) -> None:
    monkeypatch.setattr("sys.stdout", None)
    assert not screen.is_terminal()
    assert screen.as_text("x") == "x"
