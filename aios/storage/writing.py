"""The operations that make versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aios.errors import InvalidArgument
from aios.kernel.payload import read as read_payload
from aios.kernel.ports import Outcome
from aios.storage import files, folders, history, moves
from aios.storage.files import Origin
from aios.storage.history import Back, told
from aios.storage.payloads import Between, Delete, Path, Rollback, Write
from aios.storage.store import by

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aios.db.session import Transaction
    from aios.kernel.ports import Claimed
    from aios.kernel.values import Json, JsonObject
    from aios.storage.store import Effect, Operation, Store


def _write(store: Store, call: Claimed) -> Outcome:
    """Write a whole file as a new version."""
    asked = read_payload(Write, call.payload)
    path, data = store.path(call, asked.path), _bounded(store, asked)
    store.blobs.prepare(data)

    def effect(tx: Transaction) -> JsonObject:
        return told(files.write(tx, path, data, **by(call), blobs=store.blobs, expect=asked.expect))

    if store.index is not None:
        store.index.wake()
    usual = store.blobs.inline and asked.expect is None
    return Outcome(effect=effect, clauses=files.writing(path, data) if usual else None)


def _create(store: Store, call: Claimed) -> Outcome:
    """Write a file that must not be there yet."""
    return _write(store, _with(call, expect=0))


def _append(store: Store, call: Claimed) -> Effect:
    """Add to the end of a file."""
    asked = read_payload(Write, call.payload)
    path, data = store.path(call, asked.path), _bounded(store, asked)

    def effect(tx: Transaction) -> JsonObject:
        stored = files.append(
            tx, path, data, **by(call), blobs=store.blobs, limit=store.file_bytes, expect=asked.expect
        )
        return told(stored)

    return effect


def _mkdir(store: Store, call: Claimed) -> Effect:
    """Make a folder."""
    path = store.path(call, read_payload(Path, call.payload).path)
    return lambda tx: {"path": path, "made": folders.make(tx, path)}


def _delete(store: Store, call: Claimed) -> Effect:
    """Delete a file or a folder; versions stay."""
    asked = read_payload(Delete, call.payload)
    path = store.path(call, asked.path)

    def effect(tx: Transaction) -> JsonObject:
        if asked.everything:
            return {"path": path, "files": moves.delete_all(tx, path, **by(call))}
        if asked.expect is None and files.find(tx, path) is None and folders.is_folder(tx, path):
            folders.remove(tx, path)
            return {"path": path, "files": 0}
        origin = Origin(**by(call), op="delete")
        return {"path": path, "version": files.delete(tx, path, origin=origin, expect=asked.expect)}

    return effect


def _move(store: Store, call: Claimed) -> Effect:
    """Move a file or a folder."""
    asked = read_payload(Between, call.payload)
    source, target = store.path(call, asked.source), store.path(call, asked.target)
    return lambda tx: _all(moves.move(tx, source, target, **by(call), replace=asked.replace))


def _copy(store: Store, call: Claimed) -> Effect:
    """Copy a file or a folder."""
    asked = read_payload(Between, call.payload)
    source, target = store.path(call, asked.source), store.path(call, asked.target)
    return lambda tx: _all(moves.copy(tx, source, target, **by(call), replace=asked.replace))


def _rollback(store: Store, call: Claimed) -> Effect:
    """Give a file back what it was."""
    asked = read_payload(Rollback, call.payload)
    path, back = store.path(call, asked.path), Back(asked.versions, asked.to, asked.at())

    def effect(tx: Transaction) -> JsonObject:
        return history.rollback(tx, path, back, **by(call), blobs=store.blobs, expect=asked.expect)

    return effect


def _bounded(store: Store, asked: Write) -> bytes:
    data = asked.data()
    if len(data) > store.file_bytes:
        raise InvalidArgument("content", f"{len(data)} bytes", f"a file has at most {store.file_bytes} bytes")
    return data


def _all(made: list[files.Stored]) -> Json:
    return [told(stored) for stored in made]


def _with(call: Claimed, **more: Json) -> Claimed:
    from dataclasses import replace  # noqa: PLC0415  # `replace` is a word of this module's payloads

    return replace(call, payload={**call.payload, **more})


OPERATIONS: Final[Mapping[str, Operation]] = {
    "write": _write,
    "create": _create,
    "append": _append,
    "mkdir": _mkdir,
    "delete": _delete,
    "move": _move,
    "copy": _copy,
    "rollback": _rollback,
}
