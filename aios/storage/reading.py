"""The operations that change no file."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final

from sqlalchemy import func, select

from aios.db.tables import chunks, file_versions
from aios.db.tables import files as rows
from aios.errors import InvalidArgument, NotFound
from aios.kernel.payload import read as read_payload
from aios.storage import files, folders, history
from aios.storage.media import window
from aios.storage.payloads import Diff, History, List, Path, Read
from aios.storage.search import NEWEST

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aios.db.session import Transaction
    from aios.kernel.ports import Claimed
    from aios.kernel.values import Json, JsonObject
    from aios.storage.files import Content
    from aios.storage.folders import Entry
    from aios.storage.store import Effect, Operation, Store


def _read(store: Store, call: Claimed) -> Effect:
    """Read a file, or a part of it."""
    asked = read_payload(Read, call.payload)
    path = store.path(call, asked.path)

    def effect(tx: Transaction) -> JsonObject:
        found = files.read(tx, path, version=asked.version, blobs=store.blobs)
        if found is None:
            which = "" if asked.version is None else f", version {asked.version}"
            raise NotFound("file", f"{asked.path}{which}")
        return {"path": path, "version": found.version, **part(found, asked)}

    return effect


def _list(store: Store, call: Claimed) -> Effect:
    """List what matches a pattern."""
    asked = read_payload(List, call.payload)
    wanted = store.path(call, asked.pattern)
    return lambda tx: [told(entry) for entry in folders.matching(tx, wanted, with_folders=asked.folders)]


def _stat(store: Store, call: Claimed) -> Effect:
    """Tell what a file is."""
    path = store.path(call, read_payload(Path, call.payload).path)
    return lambda tx: stat(tx, path)


def _history(store: Store, call: Claimed) -> Effect:
    """List the versions of a file."""
    asked = read_payload(History, call.payload)
    path = store.path(call, asked.path)
    return lambda tx: history.history(tx, path, limit=asked.limit)


def _diff(store: Store, call: Claimed) -> Effect:
    """Show what changed between two versions."""
    asked = read_payload(Diff, call.payload)
    path = store.path(call, asked.path)
    return lambda tx: history.diff(tx, path, old=asked.old, new=asked.new, blobs=store.blobs)


def part(found: Content, asked: Read) -> JsonObject:
    """What was asked for of a content: all of it, or a range of its bytes."""
    if asked.encoding == "base64":
        end = len(found.data) if asked.length is None else asked.start + asked.length
        text, start = base64.b64encode(found.data[asked.start : end]).decode(), min(asked.start, len(found.data))
        end = min(end, len(found.data))
    else:
        start, end = window(found.data, start=asked.start, length=asked.length)
        try:
            text = found.data[start:end].decode()
        except UnicodeDecodeError as error:
            raise InvalidArgument("path", asked.path, "it is no text: read it as bytes (base64)") from error
    told = {"content": text, "encoding": asked.encoding, "media_type": found.media_type}
    return {**told, "size": len(found.data), "start": start, "end": end}


def stat(tx: Transaction, path: str) -> JsonObject:
    """What is known of a file or a folder, but for its content.

    Raises:
        NotFound: there is none of that path.
    """
    about = rows.c.id, rows.c.version, rows.c.folder, rows.c.created_at, rows.c.updated_at, rows.c.indexed
    content = file_versions.c.digest, file_versions.c.size, file_versions.c.media_type
    found = select(*about, *content).outerjoin(file_versions, NEWEST).where(rows.c.path == path, ~rows.c.deleted)
    row = tx.execute(found).one_or_none()
    if row is None:
        raise NotFound("file", path)
    times = {"created_at": row.created_at.isoformat(), "updated_at": row.updated_at.isoformat()}
    if row.folder:
        return {"path": path, "folder": True, **times}
    kept = select(func.count()).select_from(file_versions).where(file_versions.c.file_id == row.id)
    parts = select(func.count()).select_from(chunks)
    parts = parts.where(chunks.c.digest == row.digest, chunks.c.media_type == row.media_type)
    return {
        "path": path,
        "folder": False,
        "version": row.version,
        "size": row.size,
        "media_type": row.media_type,
        "digest": row.digest.hex(),
        "versions": tx.execute(kept).scalar_one(),
        "indexed": row.indexed == row.version,
        "parts": tx.execute(parts).scalar_one(),
        **times,
    }


def told(entry: Entry) -> JsonObject:
    """A file or folder as lists tell it."""
    about: Json = {"folder": True} if entry.folder else {"media_type": entry.media_type}
    instant = entry.updated_at.isoformat()
    return {"path": entry.path, "version": entry.version, "size": entry.size, "updated_at": instant, **about}


OPERATIONS: Final[Mapping[str, Operation]] = {
    "read": _read,
    "list": _list,
    "stat": _stat,
    "history": _history,
    "diff": _diff,
}
