"""Long-term memory: notes. Embedding happens before, statements in the transaction that completes the syscall."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aios.errors import InvalidArgument, NotFound
from aios.kernel.ids import parse_id
from aios.kernel.noting import EXCERPT
from aios.kernel.payload import read
from aios.kernel.ports import Outcome
from aios.kernel.values import canonical
from aios.memory import namespace, notes
from aios.memory.notes import Draft, Vector
from aios.memory.payloads import (
    LONGEST_CONTENT,
    LONGEST_METADATA_BYTES,
    Add,
    Find,
    Link,
    One,
    Related,
    Remember,
    Update,
)
from aios.memory.search import Query, search

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aios.db.session import Transaction
    from aios.kernel.ports import Claimed, Embedder
    from aios.kernel.values import JsonObject

PLAIN = "no model has answered about it yet"


class LongTermMemory:
    """The operations on notes that ask no model."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.operations: Mapping[str, Callable[[Claimed], Outcome]] = {
            "add": self._add,
            "get": self._get,
            "search": self._search,
            "update": self._update,
            "remove": self._remove,
            "remember": self._remember,
            "link": self._link,
            "related": self._related,
            "history": self._history,
        }

    def vector(self, text: str) -> Vector:
        """A text's embedding."""
        (values,) = self._embedder.embed([text])
        return Vector(self._embedder.name, values)

    def query(self, call: Claimed, asked: Find) -> Query:
        """What a syscall looks for, its text embedded."""
        return Query(
            text=asked.query,
            vector=self.vector(asked.query),
            k=asked.k,
            namespaces=[namespace.of(call, name) for name in asked.namespaces or [asked.namespace]],
            tags=asked.tags,
            category=asked.category,
            after=asked.after,
            before=asked.before,
            threshold=asked.threshold,
        )

    def _add(self, call: Claimed) -> Outcome:
        return self._stored(call, read(Add, call.payload))

    def _remember(self, call: Claimed) -> Outcome:
        asked = read(Remember, call.payload)
        said = call.earlier[asked.reply]["message"].get("content") or ""
        if not said.strip():
            return Outcome(result={"id": None})  # a reply of tool calls alone says nothing to remember
        text = f"{asked.asked}\n\n{said}" if asked.asked.strip() else said
        note = {"content": text[:LONGEST_CONTENT], "tags": asked.tags, "namespace": asked.namespace}
        return self._stored(call, read(Add, {**note, "analyse": asked.analyse}))

    def _stored(self, call: Claimed, asked: Add) -> Outcome:
        _check_metadata(asked.metadata)
        place = namespace.of(call, asked.namespace)
        draft = Draft(
            content=asked.content,
            tags=asked.tags,
            keywords=asked.keywords,
            category=asked.category,
            context=asked.context,
            metadata=asked.metadata,
            analysis={"state": "plain", "reason": PLAIN} if asked.analyse else None,
        )
        vector = self.vector(asked.content)

        def effect(tx: Transaction) -> JsonObject:
            # The syscall's id is the note's: what is executed twice is stored once.
            notes.add(tx, draft, id=call.id, namespace=place, author=call.agent_id, vector=vector)
            return {"id": str(call.id), **({"content": draft.content[:EXCERPT]} if asked.analyse else {})}

        return Outcome(effect=effect)

    def _get(self, call: Claimed) -> Outcome:
        asked = read(One, call.payload)
        note, place = parse_id(asked.id, kind="memory"), namespace.of(call, asked.namespace)

        def effect(tx: Transaction) -> JsonObject:
            found = notes.get(tx, note, namespace=place)
            if found is None:
                raise NotFound("memory", str(note))
            notes.count_reads(tx, [note])
            return found

        return Outcome(effect=effect)

    def _search(self, call: Claimed) -> Outcome:
        asked = read(Find, call.payload)
        if not asked.query.strip():
            return Outcome(effect=lambda _tx: [])
        query = self.query(call, asked)
        return Outcome(effect=lambda tx: search(tx, query))

    def _update(self, call: Claimed) -> Outcome:
        asked = read(Update, call.payload)
        note, place = parse_id(asked.id, kind="memory"), namespace.of(call, asked.namespace)
        _check_metadata(asked.metadata)
        vector = None if asked.content is None else self.vector(asked.content)
        fields = asked.model_dump(exclude={"id", "namespace"}, exclude_none=True)

        def effect(tx: Transaction) -> JsonObject:
            version = notes.change(
                tx, note, namespace=place, fields=fields, vector=vector, reason="updated", author=call.agent_id
            )
            if version is None:
                raise NotFound("memory", str(note))
            return {"id": str(note), "version": version}

        return Outcome(effect=effect)

    def _remove(self, call: Claimed) -> Outcome:
        asked = read(One, call.payload)
        note, place = parse_id(asked.id, kind="memory"), namespace.of(call, asked.namespace)

        def effect(tx: Transaction) -> JsonObject:
            if not notes.remove(tx, note, namespace=place):
                raise NotFound("memory", str(note))
            return {"id": str(note)}

        return Outcome(effect=effect)

    def _link(self, call: Claimed) -> Outcome:
        asked = read(Link, call.payload)
        note, other = (parse_id(end, kind="memory") for end in (asked.id, asked.other))
        place = namespace.of(call, asked.namespace)

        def effect(tx: Transaction) -> JsonObject:
            if not notes.link(tx, note, other, namespace=place, reason=asked.reason):
                raise NotFound("pair of memories", f"{note}, {other}")
            return {"id": str(note)}

        return Outcome(effect=effect)

    def _related(self, call: Claimed) -> Outcome:
        asked = read(Related, call.payload)
        note, place = parse_id(asked.id, kind="memory"), namespace.of(call, asked.namespace)

        def effect(tx: Transaction) -> list[JsonObject]:
            found = notes.related(tx, note, namespace=place, depth=asked.depth, k=asked.k)
            if found is None:
                raise NotFound("memory", str(note))
            return found

        return Outcome(effect=effect)

    def _history(self, call: Claimed) -> Outcome:
        asked = read(One, call.payload)
        note, place = parse_id(asked.id, kind="memory"), namespace.of(call, asked.namespace)
        return Outcome(effect=lambda tx: notes.history(tx, note, namespace=place))


def _check_metadata(metadata: JsonObject | None) -> None:
    size = len(canonical(metadata, what="metadata"))
    if size > LONGEST_METADATA_BYTES:
        raise InvalidArgument("metadata", f"{size} bytes", f"give at most {LONGEST_METADATA_BYTES} bytes; use storage")
