"""Light syscalls: no model, no embedding, no foreign code, no limit and nobody to be asked. Any process may execute them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aios.kernel.words import SyscallState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aios.kernel.plan import Call

LIGHT: Final = frozenset(
    (
        *(f"memory.{op}" for op in ("alloc", "read", "write", "clear", "list", "stat", "get", "remove")),
        *(f"storage.{op}" for op in ("create", "write", "append", "read", "list", "mkdir", "stat", "history")),
    )
)

WRITES: Final = frozenset(("memory.write", "storage.write"))
"""Those whose usual course is part of another statement (`Clauses`), unless they expect a version."""


def is_light(plan: Sequence[Call]) -> bool:
    """Whether a plan is one such syscall, which may be executed now."""
    if len(plan) != 1 or plan[0].state is not SyscallState.QUEUED:
        return False
    (call,) = plan
    return f"{call.pool}.{call.op}" in LIGHT and call.limit_key is None and call.approval is None
