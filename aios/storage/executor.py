"""The storage pool's executor: each operation happens in the transaction that completes its syscall."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aios.errors import InvalidArgument
from aios.kernel.ports import Outcome
from aios.storage import finding, reading, relating, sharing, writing
from aios.storage.store import Store

if TYPE_CHECKING:
    from uuid import UUID

    from aios.kernel.ports import Claimed

OPERATIONS = {
    **writing.OPERATIONS,
    **reading.OPERATIONS,
    **finding.OPERATIONS,
    **relating.OPERATIONS,
    **sharing.OPERATIONS,
}


class StorageExecutor:
    """Executes the syscalls of the pool `storage`."""

    def __init__(self, store: Store | None = None) -> None:
        self._store = store or Store()

    def perform(self, call: Claimed) -> Outcome:
        """Check the operation, and do what is slow; its statements are the outcome's effect.

        Raises:
            InvalidArgument: the operation or its payload is none.
            PathDenied: the path leads nowhere.
        """
        prepare = OPERATIONS.get(call.op)
        if prepare is None:
            raise InvalidArgument("operation", call.op, f"the pool `storage` knows {', '.join(OPERATIONS)}")
        prepared = prepare(self._store, call)
        return prepared if isinstance(prepared, Outcome) else Outcome(effect=prepared)

    def cancel(self, syscall: UUID) -> None:
        """Nothing to stop: a statement whose claim is gone is rolled back."""
