"""Operations of other pools inside a tool's syscall: the same executors, the same checks, the same transaction."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from aios.errors import AccessDenied, InvalidArgument
from aios.kernel.access import Subject, owns
from aios.kernel.asks import asks
from aios.kernel.ports import Later
from aios.kernel.request import Request
from aios.kernel.words import Pool

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aios.db.session import Database
    from aios.kernel.ports import Claimed, Executor
    from aios.kernel.values import Json, JsonObject

_POOLS = (Pool.MEMORY, Pool.STORAGE)


@dataclass
class NestedSyscalls:
    """Implements the kernel's `Nested` for one syscall under way."""

    call: Claimed
    executors: Mapping[str, Executor]
    database: Database
    _notes: int = field(default=0, init=False)

    def now(self, pool: str, op: str, payload: JsonObject) -> Json:
        """Do it at once, in a transaction of its own."""
        effect = self.later(pool, op, payload).effect
        with self.database.transaction() as tx:
            return effect(tx)

    def later(self, pool: str, op: str, payload: JsonObject) -> Later:
        """Check it at once, do it in the transaction that completes the syscall.

        Raises:
            InvalidArgument: a tool works with the pools `memory` and `storage` alone.
            AccessDenied: it is not the agent's own: nobody was asked whether a tool may reach what is others'.
        """
        if pool not in _POOLS:
            raise InvalidArgument("pool", pool, "a tool works with memory and storage")
        self._admit(pool, op, payload)
        inner = replace(self.call, id=self._id(pool), pool=pool, op=op, payload=payload, earlier=[], messages=[])
        outcome = self.executors[pool].perform(inner)
        return Later(outcome.effect or _known(outcome.result))

    def _admit(self, pool: str, op: str, payload: JsonObject) -> None:
        agent = str(self.call.agent_id)
        for ask in asks(Request(pool, op, payload), self.call.agent_id):
            if not owns(Subject(agent, self.call.tenant), ask.resource, groups=frozenset()):
                why = "a tool reaches its agent's own memory and files"
                raise AccessDenied(f"agent:{agent}", ask.operation, ask.resource, why)

    def _id(self, pool: str) -> UUID:
        """A note is stored under its syscall's id, so that it is stored once: the second note of a call needs another."""
        if pool != Pool.MEMORY:
            return self.call.id
        self._notes += 1
        return uuid5(self.call.id, str(self._notes))


def _known(result: Json) -> Callable[[Json], Json]:
    return lambda _tx: result
