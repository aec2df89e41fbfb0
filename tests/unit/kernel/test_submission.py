"""What may be submitted, and what is refused before anything is written."""

from __future__ import annotations

import pytest

from aios.errors import InvalidArgument, NotJson, UnknownProgram
from aios.kernel.submission import agent_row, check_program, check_task
from aios.settings import LimitSettings

LIMITS = LimitSettings(task_bytes=100)


def test_a_row_has_all_that_a_new_agent_needs() -> None:
    row = agent_row("echo", {"say": "hello"}, limits=LIMITS, priority=2, budgets={"tokens": 10}, idempotency_key="k")
    assert row.pop("id") == row.pop("root_id")
    assert row == {
        "program": "echo",
        "task": {"say": "hello"},
        "state": "queued",
        "priority": 2,
        "tenant": "default",
        "owner": "",
        "groups": [],
        "budgets": {"tokens": 10},
        "idempotency_key": "k",
    }


@pytest.mark.parametrize("task", ["x", 0, False, [], {}, {"a": None}])
def test_any_json_value_that_says_something_is_a_task(task: object) -> None:
    check_task(task, limits=LIMITS)


@pytest.mark.parametrize("task", [None, "", " \n", "x" * 99])
def test_an_empty_or_overlong_task_is_refused(task: object) -> None:
    with pytest.raises(InvalidArgument, match="task"):
        check_task(task, limits=LIMITS)


@pytest.mark.parametrize("task", [{1, 2}, float("nan"), "a\x00b", object()])
def test_what_is_no_json_is_refused(task: object) -> None:
    with pytest.raises(NotJson):
        check_task(task, limits=LIMITS)


@pytest.mark.parametrize("priority", [-1, 10, True, "5", 2.0, None])
def test_what_is_no_priority_is_refused(priority: object) -> None:
    with pytest.raises(InvalidArgument, match="priority"):
        agent_row("echo", "hello", limits=LIMITS, priority=priority)


@pytest.mark.parametrize(
    "budgets", [{"tokens": n} for n in (-1, True, "9", float("nan"), float("inf"))] + [{"money": 1}]
)
def test_what_is_no_budget_is_refused(budgets: dict[str, object]) -> None:
    with pytest.raises(InvalidArgument, match="budget"):
        agent_row("echo", "hello", limits=LIMITS, budgets=budgets)


def test_an_overlong_key_and_a_text_of_groups_are_refused() -> None:
    with pytest.raises(
        InvalidArgument, match="idempotency key '\\(too long\\)': it has 501 characters; give at most 500"
    ):
        agent_row("echo", "hello", limits=LIMITS, idempotency_key="k" * 501)
    with pytest.raises(InvalidArgument, match="groups 'staff': give a list of names"):
        agent_row("echo", "hello", limits=LIMITS, groups="staff")


def test_a_program_that_no_worker_has_loaded_is_refused_with_the_near_one() -> None:
    known = [{"name": "echo", "error": None}, {"name": "broken", "error": "SyntaxError"}]
    check_program("echo", known=known)
    with pytest.raises(UnknownProgram, match="did you mean 'echo'"):
        check_program("ecko", known=known)
    with pytest.raises(UnknownProgram):
        check_program("broken", known=known)


def test_before_any_worker_has_started_every_program_may_wait() -> None:
    check_program("anything", known=[])
