"""A fake of the `Nested` port."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aios.errors import InvalidArgument
from aios.kernel.ports import Later

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aios.kernel.values import Json, JsonObject


class FakeNested:
    """A `Nested` whose operations are plain functions of the payload.

    Attributes:
        done: every operation that was done, as (pool, op, payload), in order.
    """

    def __init__(self, operations: Mapping[tuple[str, str], Callable[[JsonObject], Json]] | None = None) -> None:
        """Operations that are not given answer None."""
        self.done: list[tuple[str, str, JsonObject]] = []
        self._operations = dict(operations or {})

    def now(self, pool: str, op: str, payload: JsonObject) -> Json:
        """Do it at once."""
        return self.later(pool, op, payload).effect(None)

    def later(self, pool: str, op: str, payload: JsonObject) -> Later:
        """Do it when the effect is called."""
        if pool not in {"memory", "storage"}:
            raise InvalidArgument("pool", pool, "a tool works with memory and storage")

        def effect(_tx: Json) -> Json:
            self.done.append((pool, op, payload))
            operation = self._operations.get((pool, op))
            return operation(payload) if operation else None

        return Later(effect)
