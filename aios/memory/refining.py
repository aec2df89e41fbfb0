"""Refining a note by a model's answers: the memory steps of an agentic note's plan. Pure reading is `aios.kernel.noting`'s."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import func, literal, select

from aios.db.tables import memories
from aios.kernel.noting import Analysis, Evolution, Unusable, read_analysis, read_evolution
from aios.kernel.payload import read
from aios.kernel.ports import Outcome
from aios.memory import namespace, notes
from aios.memory.payloads import Analyse, Evolve
from aios.memory.search import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aios.db.session import Transaction
    from aios.kernel.ports import Claimed
    from aios.kernel.values import JsonObject
    from aios.memory.longterm import LongTermMemory

_NEIGHBOUR = ("id", "content", "context", "tags")


class Refining:
    """The operations `analyse` and `evolve`. Whatever the model answered, they end well; the note tells what came of it."""

    def __init__(self, notes: LongTermMemory) -> None:
        self._notes = notes
        self.operations: Mapping[str, Callable[[Claimed], Outcome]] = {"analyse": self._analyse, "evolve": self._evolve}

    def _analyse(self, call: Claimed) -> Outcome:
        asked = read(Analyse, call.payload)
        stored = call.earlier[asked.note]
        if not stored.get("id"):
            return Outcome(result={"usable": False, "neighbours": []})
        note, place = UUID(stored["id"]), namespace.of(call, asked.namespace)
        said = read_analysis(call.earlier[asked.reply])
        vector = self._notes.vector(stored["content"]) if asked.k else None

        def effect(tx: Transaction) -> JsonObject:
            kept = _describe(tx, note, said, namespace=place, author=call.agent_id)
            found = nearest(tx, vector, namespace=place, k=asked.k, but=[note]) if vector is not None and kept else []
            near = [
                {name: other[name] for name in _NEIGHBOUR} for other in found if other["similarity"] >= asked.threshold
            ]
            told: JsonObject = {"usable": isinstance(said, Analysis), "neighbours": near}
            if isinstance(said, Unusable):
                told["reason"] = said.reason
            return {**told, "note": {"content": stored["content"], **_described(said)}}

        return Outcome(effect=effect)

    def _evolve(self, call: Claimed) -> Outcome:
        asked = read(Evolve, call.payload)
        stored, seen = call.earlier[asked.note], call.earlier[asked.seen]
        answer = {"id": stored.get("id"), "usable": seen["usable"], "links": 0, "changed": 0}
        if not seen["neighbours"]:
            return Outcome(result=answer)
        note, place = UUID(stored["id"]), namespace.of(call, asked.namespace)
        others = [UUID(other["id"]) for other in seen["neighbours"]]
        said = read_evolution(call.earlier[asked.reply], neighbours=len(others))

        def effect(tx: Transaction) -> JsonObject:
            if isinstance(said, Unusable):
                _record(tx, note, {"evolution": said.reason}, namespace=place)
                return answer
            return {**answer, **_evolve(tx, note, others, said, namespace=place, author=call.agent_id)}

        return Outcome(effect=effect)


def _describe(tx: Transaction, note: UUID, said: Analysis | Unusable, *, namespace: str, author: UUID) -> bool:
    """Write what the model said of a note, or why it is of no use; False if the note is gone meanwhile."""
    if isinstance(said, Unusable):
        return _record(tx, note, {"state": "plain", "reason": said.reason}, namespace=namespace)
    mine = memories.c.id == note, memories.c.namespace == namespace
    row = tx.execute(select(memories.c.tags).where(*mine).with_for_update(key_share=True)).one_or_none()
    if row is None:
        return False
    fields = {
        "keywords": list(said.keywords),
        "context": said.context,
        "tags": list(dict.fromkeys([*row.tags, *said.tags])),  # what the writer gave stays
        "category": said.category,
        "analysis": {"state": "done"},
    }
    notes.change(tx, note, namespace=namespace, fields=fields, reason="analysed", author=author)
    return True


def _evolve(
    tx: Transaction, note: UUID, others: Sequence[UUID], said: Evolution, *, namespace: str, author: UUID
) -> JsonObject:
    linked = sum(notes.link(tx, note, others[place], namespace=namespace, reason="a model's") for place in said.links)
    changed = 0
    for change in sorted(said.changes, key=lambda change: others[change.neighbour]):  # one order of locks for all
        fields: JsonObject = {"context": change.context} if change.context else {}
        if change.tags:
            fields["tags"] = list(change.tags)
        reason = f"evolved by note {note}"
        version = notes.change(
            tx, others[change.neighbour], namespace=namespace, fields=fields, reason=reason, author=author
        )
        changed += version is not None
    return {"links": linked, "changed": changed}


def _record(tx: Transaction, note: UUID, about: JsonObject, *, namespace: str) -> bool:
    """Add to a note's `analysis`: no change of the note itself."""
    merged = func.coalesce(memories.c.analysis, literal({}, memories.c.analysis.type)).op("||")(
        literal(about, memories.c.analysis.type)
    )
    where = memories.c.id == note, memories.c.namespace == namespace
    return tx.execute(memories.update().where(*where).values(analysis=merged)).rowcount == 1


def _described(said: Analysis | Unusable) -> JsonObject:
    return {"context": said.context, "tags": list(said.tags)} if isinstance(said, Analysis) else {}
