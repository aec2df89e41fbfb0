from __future__ import annotations

import io

import pytest

from aios.cli.submit import task_value
from aios.errors import InvalidArgument


@pytest.mark.parametrize("budget", ["tokens", "tokens=", "tokens=many", "=5"])
def test_a_budget_that_is_none_is_refused_before_anything_is_asked(aios, budget) -> None:
    answer = aios("submit", "echo", "x", "--budget", budget)
    assert answer.code == 2
    assert answer.err.startswith("aios: ")
    assert answer.err.count("\n") == 1


@pytest.mark.parametrize("task", ["", "   "])
def test_an_empty_task_is_refused(aios, task) -> None:
    answer = aios("submit", "echo", task)
    assert (answer.code, answer.err) == (2, f"aios: invalid task {task!r}: say what the agent should do\n")


@pytest.mark.parametrize("priority", ["-1", "10"])
def test_a_priority_out_of_bounds_is_refused(aios, priority) -> None:
    answer = aios("submit", "echo", "x", f"--priority={priority}")
    assert answer.code == 2
    assert answer.err == f"aios: invalid priority {priority}: give a whole number from 0 (most urgent) to 9\n"


def test_a_task_may_be_a_json_value() -> None:
    assert task_value('{"n": [1]}', as_value=True) == {"n": [1]}
    assert task_value('{"n": [1]}', as_value=False) == '{"n": [1]}'
    with pytest.raises(InvalidArgument, match="it is no JSON"):
        task_value("{", as_value=True)


def test_a_task_may_come_from_standard_input(monkeypatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("a long text\n"))
    assert task_value("-", as_value=False) == "a long text\n"
