"""The memory pool's executor: blocks of working memory, notes, and what models say of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aios.errors import InvalidArgument
from aios.memory.longterm import LongTermMemory
from aios.memory.operations import OPERATIONS
from aios.memory.paging import Paging
from aios.memory.recalling import Recalling
from aios.memory.refining import Refining
from aios.memory.working import NoCache, WorkingMemory
from aios.settings import MemorySettings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from uuid import UUID

    from aios.db.session import Database
    from aios.kernel.ports import BlockCache, Claimed, Embedder, Outcome
    from aios.memory.recalling import Count


class MemoryExecutor:
    """Executes the syscalls of the pool `memory`: in the asking agent's own namespace, unless one is named."""

    def __init__(
        self,
        embedder: Embedder,
        cache: BlockCache | None = None,
        settings: MemorySettings | None = None,
        *,
        database: Database | None = None,
        count: Count | None = None,
    ) -> None:
        """Wire the operations.

        Args:
            embedder: of notes and of what is looked for.
            cache: working memory's; None: every read goes to Postgres.
            settings: bounds of working memory.
            database: for what is read before the completing transaction.
            count: tokens of a text, for recalls with a budget.
        """
        notes = LongTermMemory(embedder)
        self._operations: Mapping[str, Callable[[Claimed], Outcome]] = {
            **WorkingMemory(cache or NoCache(), settings or MemorySettings()).operations,
            **notes.operations,
            **Refining(notes).operations,
            **Paging(notes).operations,
            **Recalling(notes, database=database, count=count).operations,
        }

    def perform(self, call: Claimed) -> Outcome:
        """Check the operation and embed its text; its statements are the outcome's effect.

        Raises:
            InvalidArgument: the operation or its payload is none.
            NotFound: what is named as an id is none.
        """
        operation = self._operations.get(call.op)
        if operation is None:
            raise InvalidArgument("operation", call.op, f"the pool `memory` knows {', '.join(OPERATIONS)}")
        return operation(call)

    def cancel(self, syscall: UUID) -> None:
        """Nothing to stop: an embedding takes milliseconds, and a statement whose claim is gone is rolled back."""
