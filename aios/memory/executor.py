"""The memory pool's executor: embedding happens before, statements in the transaction that completes the syscall."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aios.errors import InvalidArgument, NotFound
from aios.kernel.ids import parse_id
from aios.kernel.payload import read
from aios.kernel.ports import Outcome
from aios.kernel.values import canonical
from aios.memory import notes
from aios.memory.namespace import namespace
from aios.memory.notes import Vector
from aios.memory.payloads import LONGEST_METADATA_BYTES, Add, Find, One, Remember, Update
from aios.memory.search import search

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from uuid import UUID

    from aios.db.session import Transaction
    from aios.kernel.ports import Claimed, Embedder
    from aios.kernel.values import Json, JsonObject


class MemoryExecutor:
    """Executes the syscalls of the pool `memory`. An agent has its own namespace and sees no other."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._operations: Mapping[str, Callable[[Claimed], Callable[[Transaction], Json]]] = {
            "add": self._add,
            "get": self._get,
            "search": self._search,
            "update": self._update,
            "remove": self._remove,
            "remember": self._remember,
        }

    def perform(self, call: Claimed) -> Outcome:
        """Check the operation and embed its text; its statements are the outcome's effect.

        Raises:
            InvalidArgument: the operation or its payload is none.
            NotFound: what is named as an id is none.
        """
        prepare = self._operations.get(call.op)
        if prepare is None:
            raise InvalidArgument("operation", call.op, f"the pool `memory` knows {', '.join(self._operations)}")
        return Outcome(effect=prepare(call))

    def cancel(self, syscall: UUID) -> None:
        """Nothing to stop: an embedding takes milliseconds, and a statement whose claim is gone is rolled back."""

    def _add(self, call: Claimed) -> Callable[[Transaction], JsonObject]:
        return self._stored(call, read(Add, call.payload))

    def _remember(self, call: Claimed) -> Callable[[Transaction], JsonObject]:
        asked = read(Remember, call.payload)
        text = call.earlier[asked.reply]["message"].get("content") or ""
        if not text.strip():
            return lambda _tx: {"id": None}  # a reply of tool calls alone says nothing to remember
        return self._stored(call, read(Add, {"content": text, "tags": asked.tags}))

    def _stored(self, call: Claimed, note: Add) -> Callable[[Transaction], JsonObject]:
        _check_metadata(note.metadata)
        vector = self._vector(note.content)

        def effect(tx: Transaction) -> JsonObject:
            # The syscall's id is the memory's: what is executed twice is stored once.
            notes.add(
                tx,
                id=call.id,
                namespace=_own(call),
                agent_id=call.agent_id,
                content=note.content,
                tags=note.tags,
                metadata=note.metadata,
                vector=vector,
            )
            return {"id": str(call.id)}

        return effect

    def _get(self, call: Claimed) -> Callable[[Transaction], JsonObject]:
        memory = parse_id(read(One, call.payload).id, kind="memory")

        def effect(tx: Transaction) -> JsonObject:
            note = notes.get(tx, memory, namespace=_own(call))
            if note is None:
                raise NotFound("memory", str(memory))
            return note

        return effect

    def _search(self, call: Claimed) -> Callable[[Transaction], list[JsonObject]]:
        asked = read(Find, call.payload)
        if not asked.query.strip():
            return lambda _tx: []
        vector = self._vector(asked.query)
        return lambda tx: search(tx, namespace=_own(call), query=asked.query, vector=vector, k=asked.k, tags=asked.tags)

    def _update(self, call: Claimed) -> Callable[[Transaction], JsonObject]:
        asked = read(Update, call.payload)
        memory = parse_id(asked.id, kind="memory")
        _check_metadata(asked.metadata)
        vector = None if asked.content is None else self._vector(asked.content)

        def effect(tx: Transaction) -> JsonObject:
            changed = notes.change(
                tx,
                memory,
                namespace=_own(call),
                content=asked.content,
                tags=asked.tags,
                metadata=asked.metadata,
                vector=vector,
            )
            if not changed:
                raise NotFound("memory", str(memory))
            return {"id": str(memory)}

        return effect

    def _remove(self, call: Claimed) -> Callable[[Transaction], JsonObject]:
        memory = parse_id(read(One, call.payload).id, kind="memory")

        def effect(tx: Transaction) -> JsonObject:
            if not notes.remove(tx, memory, namespace=_own(call)):
                raise NotFound("memory", str(memory))
            return {"id": str(memory)}

        return effect

    def _vector(self, text: str) -> Vector:
        (values,) = self._embedder.embed([text])
        return Vector(self._embedder.name, values)


def _own(call: Claimed) -> str:
    return namespace("agent", call.agent_id)


def _check_metadata(metadata: JsonObject | None) -> None:
    size = len(canonical(metadata, what="metadata"))
    if size > LONGEST_METADATA_BYTES:
        raise InvalidArgument("metadata", f"{size} bytes", f"give at most {LONGEST_METADATA_BYTES} bytes; use storage")
