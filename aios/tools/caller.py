"""Who calls a tool, for tools that ask: a parameter annotated `Caller` is filled in by the system and hidden from models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aios.errors import Misconfigured

if TYPE_CHECKING:
    from uuid import UUID

    from aios.kernel.ports import Later, Nested
    from aios.kernel.values import Json


@dataclass(frozen=True)
class Caller:
    """The agent that calls a tool, how long it waits for it, and its memory and files.

    Attributes:
        nested: None outside a worker.
    """

    agent_id: UUID
    seconds: float
    nested: Nested | None = None

    def now(self, pool: str, op: str, **payload: Json) -> Json:
        """Read the agent's memory or files now: an operation of the pool `memory` or `storage`, as its syscalls have it.

        Raises:
            AiosError: what the operation raises.
        """
        return self._nested().now(pool, op, payload)

    def later(self, pool: str, op: str, **payload: Json) -> Later:
        """Change the agent's memory or files when the call is completed, once: what the tool then returns.

        Raises:
            AiosError: what the operation raises before it is done, as for a path that is denied.
        """
        return self._nested().later(pool, op, payload)

    def _nested(self) -> Nested:
        if self.nested is None:
            raise Misconfigured("this tool works on an agent's memory or files", "let an agent call it")
        return self.nested
