"""Asides: what a memory operation asks a model within its plan. They may find nothing to ask, and must not end the plan."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from aios.errors import CallerError
from aios.kernel.noting import conversation
from aios.kernel.ports import Outcome

if TYPE_CHECKING:
    from uuid import UUID

    from aios.kernel.ports import Claimed, Executor


class Asides:
    """Wraps the executor of the `llm` pool: an aside's conversation is made of earlier results of its request.

    A core that refuses one (its prompt is too long, the model takes no schema) is no failure of the request: the refusal is
    the syscall's result, and the next step records it. Other errors are as ever: retried, then the request's.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def perform(self, call: Claimed) -> Outcome:
        """Ask, if there is anything to ask."""
        aside = call.payload.get("aside")
        if aside is None:
            return self._executor.perform(call)
        messages = conversation(aside, call.earlier)
        if not messages:
            return Outcome(result={"finish_reason": "skipped"})
        try:
            return self._executor.perform(replace(call, messages=messages))
        except CallerError as error:
            return Outcome(result={"finish_reason": "refused", "refused": str(error)})

    def cancel(self, syscall: UUID) -> None:
        """Stop asking."""
        self._executor.cancel(syscall)
