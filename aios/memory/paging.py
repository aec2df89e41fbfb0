"""Paging out: turns of a conversation that its core has no room for, stored as notes in one syscall."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final
from uuid import uuid5

from pydantic import Field

from aios.kernel.payload import read
from aios.kernel.ports import Outcome
from aios.memory import namespace, notes
from aios.memory.notes import Draft
from aios.memory.payloads import Content, Items, Place

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aios.db.session import Transaction
    from aios.kernel.ports import Claimed
    from aios.kernel.values import JsonObject
    from aios.memory.longterm import LongTermMemory

MOST_PAGES: Final = 256


class Pages(Place):
    """Texts to be stored as a note each, in their order."""

    pages: Annotated[list[Content], Field(max_length=MOST_PAGES)]
    tags: Items = Field(default_factory=list)


class Paging:
    """The operation that stores what no longer fits."""

    def __init__(self, notes: LongTermMemory) -> None:
        self._notes = notes
        self.operations: Mapping[str, Callable[[Claimed], Outcome]] = {"page_out": self._page_out}

    def _page_out(self, call: Claimed) -> Outcome:
        asked = read(Pages, call.payload)
        place = namespace.of(call, asked.namespace)
        vectors = [self._notes.vector(page) for page in asked.pages]

        def effect(tx: Transaction) -> JsonObject:
            for number, (page, vector) in enumerate(zip(asked.pages, vectors, strict=True)):
                draft = Draft(content=page, tags=asked.tags)
                # Ids follow from the syscall's: what is executed twice is stored once.
                notes.add(
                    tx, draft, id=uuid5(call.id, str(number)), namespace=place, author=call.agent_id, vector=vector
                )
            return {"pages": len(asked.pages)}

        return Outcome(effect=effect)
