"""Recall: what a chat is told of what its agent remembers, within a budget of the core's own tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias
from uuid import UUID

from aios.errors import Misconfigured
from aios.kernel.payload import read
from aios.kernel.ports import Outcome
from aios.memory import notes
from aios.memory.payloads import Recall
from aios.memory.search import search

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aios.db.session import Database, Transaction
    from aios.kernel.ports import Claimed
    from aios.kernel.values import JsonObject
    from aios.memory.longterm import LongTermMemory

Count: TypeAlias = "Callable[[str, str], int]"
"""Tokens of a text, by the tokenizer of the core that serves a model (empty: of any core)."""


class Recalling:
    """The operation `recall`: a search whose finds fit into a number of tokens.

    The tokens are counted before the completing transaction begins: no row is locked while a core is asked.
    """

    def __init__(self, notes: LongTermMemory, *, database: Database | None, count: Count | None) -> None:
        self._notes = notes
        self._database = database
        self._count = count
        self.operations: Mapping[str, Callable[[Claimed], Outcome]] = {"recall": self._recall}

    def _recall(self, call: Claimed) -> Outcome:
        asked = read(Recall, call.payload)
        if not asked.query.strip():
            return Outcome(result=[])
        query = self._notes.query(call, asked)
        if not asked.tokens:
            return Outcome(effect=lambda tx: search(tx, query))
        if self._database is None or self._count is None:
            raise Misconfigured("no core counts tokens here", "run `aios up`, or set AIOS_ENGINE_URL for this worker")
        with self._database.transaction() as tx:
            found = search(tx, query, count=False)
        fitting = within(found, tokens=asked.tokens, count=lambda text: self._counted(text, asked.model))

        def effect(tx: Transaction) -> list[JsonObject]:
            notes.count_reads(tx, _ids(fitting))
            return fitting

        return Outcome(effect=effect)

    def _counted(self, text: str, model: str) -> int:
        assert self._count is not None
        return self._count(text, model)


def within(found: Sequence[JsonObject], *, tokens: int, count: Callable[[str], int]) -> list[JsonObject]:
    """The best of the finds that fit together: one that does not is left out, a later shorter one may still come in."""
    chosen: list[JsonObject] = []
    for note in found:
        lines = [f"- {one['content']}" for one in (*chosen, note)]
        if count("\n".join(lines)) <= tokens:
            chosen.append(note)
    return chosen


def _ids(found: Sequence[JsonObject]) -> list[UUID]:
    return [UUID(note["id"]) for note in found]
