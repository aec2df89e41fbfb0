"""What may be submitted: the checks that an agent passes before it is put in the process table, and its row there. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from aios.errors import InvalidArgument, ProgramSpoilt, UnknownProgram, did_you_mean
from aios.kernel.access import check_principal
from aios.kernel.ids import new_id
from aios.kernel.values import Json, JsonObject, canonical
from aios.kernel.words import DEFAULT_PRIORITY, AgentState, check_priority

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aios.settings import LimitSettings

_BUDGETS: Final = frozenset({"tokens", "steps", "children", "seconds"})
_LONGEST_KEY: Final = 500  # characters: an index holds them


def agent_row(
    program: str,
    task: Json,
    *,
    limits: LimitSettings,
    priority: int = DEFAULT_PRIORITY,
    budgets: JsonObject | None = None,
    idempotency_key: str | None = None,
    tenant: str = "default",
    owner: str = "",
    groups: Sequence[str] = (),
) -> JsonObject:
    """The row of a new agent without a parent.

    Raises:
        InvalidArgument: the task is empty or too long, or the priority, a budget, the tenant, the owner or a group is none.
        NotJson: the task is no JSON.
    """
    check_task(task, limits=limits)
    if isinstance(groups, str):
        raise InvalidArgument("groups", groups, "give a list of names")
    agent = new_id()
    return {
        "id": agent,
        "root_id": agent,
        "program": program,
        "task": task,
        "state": AgentState.QUEUED.value,
        "priority": check_priority(priority),
        "tenant": check_principal(f"tenant:{tenant}").removeprefix("tenant:"),
        "owner": check_principal(f"user:{owner}").removeprefix("user:") if owner else "",
        "groups": sorted({check_principal(f"group:{name}").removeprefix("group:") for name in groups}),
        "budgets": _check_budgets(budgets or {}),
        "idempotency_key": _check_key(idempotency_key),
    }


def check_task(task: Json, *, limits: LimitSettings) -> None:
    """Check that a task says something, and no more than fits.

    Raises:
        InvalidArgument: it is empty or too long.
        NotJson: it is no JSON.
    """
    size = len(canonical(task, what="task"))
    if task is None or (isinstance(task, str) and not task.strip()):
        raise InvalidArgument("task", task, "say what the agent should do")
    if size > limits.task_bytes:
        remedy = f"it has {size} bytes; at most {limits.task_bytes} fit, so put the rest in a file"
        raise InvalidArgument("task", "(too long)", remedy)


def check_program(program: str, *, known: Sequence[JsonObject]) -> None:
    """Check that some worker can run a program.

    Args:
        program: its name.
        known: rows of the table of programs; before any worker has ever started there are none: accept and wait.

    Raises:
        UnknownProgram: no worker has loaded it.
        ProgramSpoilt: it does not load.
    """
    good = [row["name"] for row in known if not row["error"]]
    for row in known:
        if row["name"] == program and row["error"]:
            raise ProgramSpoilt(program, str(row["error"]).strip().splitlines()[-1])
    if known and program not in good:
        raise UnknownProgram(program, did_you_mean(program, good))


def _check_budgets(budgets: JsonObject) -> JsonObject:
    for name, limit in budgets.items():
        if name not in _BUDGETS:
            raise InvalidArgument("budget", name, "a budget is one of " + ", ".join(sorted(_BUDGETS)))
        if not isinstance(limit, int | float) or isinstance(limit, bool) or not 0 <= limit < math.inf:
            raise InvalidArgument(f"budget {name}", limit, "give a number that is not negative")
    return budgets


def _check_key(key: str | None) -> str | None:
    if key is not None and len(key) > _LONGEST_KEY:
        remedy = f"it has {len(key)} characters; give at most {_LONGEST_KEY}, such as a hash"
        raise InvalidArgument("idempotency key", "(too long)", remedy)
    return key
