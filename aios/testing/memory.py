"""A fake of the pool `memory` as a whole: notes and blocks in dicts. Notes are found by their words, meaning plays no part."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from aios.errors import NotFound
from aios.kernel.ids import parse_id
from aios.kernel.payload import read
from aios.kernel.ports import Outcome
from aios.memory import namespace
from aios.memory.hashing import Hashing
from aios.memory.payloads import Add, Find, One, Recall, Remember, Update
from aios.testing.blocks import FakeBlocks
from aios.testing.lacks import NotFaked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from uuid import UUID

    from aios.kernel.ports import Claimed
    from aios.kernel.values import Json, JsonObject

_FIELDS: Final = ("content", "tags", "keywords", "category", "context", "metadata")  # what history remembers


def _now() -> datetime:
    return datetime.now(tz=UTC)


class FakeMemory:
    """An `Executor` of the pool `memory`.

    Attributes:
        notes: all that is remembered, by id, as `get` tells it.
    """

    def __init__(self, *, clock: Callable[[], datetime] = _now) -> None:
        self.notes: dict[UUID, JsonObject] = {}
        self._clock = clock
        self._was: dict[UUID, list[JsonObject]] = {}
        self._operations: Mapping[str, Callable[[Claimed], Json]] = {
            **FakeBlocks(clock).operations,
            "add": self._add,
            "get": self._get,
            "search": self._search,
            "update": self._update,
            "remove": self._remove,
            "history": self._history,
            "recall": self._recall,
            "remember": self._remember,
        }

    def perform(self, call: Claimed) -> Outcome:
        """Do it as the outcome's effect.

        Raises:
            NotFaked: only the real one does that.
        """
        operation = self._operations.get(call.op)
        if operation is None:
            raise NotFaked(f"memory.{call.op}", f"FakeMemory does {', '.join(self._operations)}")
        return Outcome(effect=lambda _tx: operation(call))

    def cancel(self, syscall: UUID) -> None:
        """Nothing to stop."""

    def _add(self, call: Claimed) -> Json:
        asked = read(Add, call.payload)
        now = self._clock().isoformat()
        note = {
            **asked.model_dump(exclude={"analyse"}),
            "id": str(call.id),
            "namespace": namespace.of(call, asked.namespace),
            "version": 1,
            "created_at": now,
            "updated_at": now,
            "analysis": None,
            "reads": 0,
            "links": [],
        }
        self.notes.setdefault(call.id, note)
        return {"id": str(call.id)}

    def _get(self, call: Claimed) -> Json:
        asked = read(One, call.payload)
        note = self._one(call, asked)
        told = dict(note)
        note["reads"] += 1
        return told

    def _update(self, call: Claimed) -> Json:
        asked = read(Update, call.payload)
        note = self._one(call, asked)
        fields = asked.model_dump(exclude={"id", "namespace"}, exclude_none=True)
        changed = {name: value for name, value in fields.items() if note[name] != value}
        if changed:
            was = {name: note[name] for name in _FIELDS}
            now = self._clock().isoformat()
            more = {"version": note["version"], "reason": "updated", "author": str(call.agent_id), "changed_at": now}
            self._was.setdefault(parse_id(asked.id, kind="memory"), []).append({**was, "analysis": None, **more})
            note.update(changed, version=note["version"] + 1, updated_at=now)
        return {"id": note["id"], "version": note["version"]}

    def _remove(self, call: Claimed) -> Json:
        note = self._one(call, read(One, call.payload))
        gone = parse_id(note["id"], kind="memory")
        del self.notes[gone]
        self._was.pop(gone, None)
        return {"id": note["id"]}

    def _history(self, call: Claimed) -> Json:
        asked = read(One, call.payload)
        id_, place = parse_id(asked.id, kind="memory"), namespace.of(call, asked.namespace)
        return list(self._was.get(id_, [])) if self.notes.get(id_, {}).get("namespace") == place else []

    def _search(self, call: Claimed) -> Json:
        return self._found(call, read(Find, call.payload))

    def _recall(self, call: Claimed) -> Json:
        asked = read(Recall, call.payload)
        found = self._found(call, asked)
        if not asked.tokens:
            return found
        fitting: list[JsonObject] = []
        for note in found:  # about a token per word
            if sum(len(one["content"].split()) + 1 for one in (*fitting, note)) <= asked.tokens:
                fitting.append(note)
        return fitting

    def _remember(self, call: Claimed) -> Json:
        asked = read(Remember, call.payload)
        said = call.earlier[asked.reply]["message"].get("content") or ""
        if not said.strip():
            return {"id": None}
        if asked.analyse:
            raise NotFaked("memory.analyse", "a model's analysis of notes needs the real pool")
        text = f"{asked.asked}\n\n{said}" if asked.asked.strip() else said
        note = {"content": text, "tags": asked.tags, "namespace": asked.namespace}
        return self._add(replace(call, payload=note))

    def _found(self, call: Claimed, asked: Find) -> list[JsonObject]:
        if not asked.query.strip():
            return []
        places = {namespace.of(call, name) for name in asked.namespaces or [asked.namespace]}
        fitting = [note for note in self.notes.values() if note["namespace"] in places and _passes(note, asked)]
        (wanted, *vectors) = Hashing().embed([asked.query, *(note["content"] for note in fitting)])
        near = [sum(a * b for a, b in zip(wanted, vector, strict=True)) for vector in vectors]
        best = sorted(zip(near, fitting, strict=True), key=lambda one: -one[0])
        found = [(score, note) for score, note in best if asked.threshold <= -1 or score >= asked.threshold][: asked.k]
        for _, note in found:
            note["reads"] += 1
        left_out = {"analysis", "reads", "links"}
        return [
            {**{name: note[name] for name in note if name not in left_out}, "score": score, "similarity": score}
            for score, note in found
        ]

    def _one(self, call: Claimed, asked: One | Update) -> JsonObject:
        id_, place = parse_id(asked.id, kind="memory"), namespace.of(call, asked.namespace)
        note = self.notes.get(id_)
        if note is None or note["namespace"] != place:
            raise NotFound("memory", str(id_))
        return note


def _passes(note: JsonObject, asked: Find) -> bool:
    made = datetime.fromisoformat(note["created_at"])
    return (
        set(asked.tags) <= set(note["tags"])
        and (not asked.category or asked.category == note["category"])
        and (asked.after is None or made >= asked.after)
        and (asked.before is None or made < asked.before)
    )
