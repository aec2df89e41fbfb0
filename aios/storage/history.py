"""Versions: what there is, back to one of them, and what changed between two."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import func, select

from aios.db.tables import file_versions as versions
from aios.db.tables import files as rows
from aios.errors import InvalidArgument, NotFound
from aios.storage import files
from aios.storage.blobs import Kept

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Row, Select

    from aios.db.session import Transaction
    from aios.kernel.values import JsonObject
    from aios.storage.blobs import Blobs
    from aios.storage.files import Content, Stored

MOST_LINES: Final = 20_000


class Back(NamedTuple):
    """How far a rollback goes: exactly one of the three is set."""

    versions: int | None = None
    to: int | None = None
    before: datetime | None = None


def history(tx: Transaction, path: str, *, limit: int) -> list[JsonObject]:
    """The versions of a file that are kept, newest first, deletions among them.

    Raises:
        NotFound: there never was such a file.
    """
    found = tx.execute(_all(path).order_by(versions.c.version.desc()).limit(limit)).all()
    if not found:
        raise NotFound("file", path)
    return [_told(row) for row in found]


def rollback(
    tx: Transaction,
    path: str,
    back: Back,
    *,
    agent_id: UUID | None,
    syscall_id: UUID | None,
    blobs: Blobs,
    expect: int | None = None,
) -> JsonObject:
    """Give a file the content that it had: as a new version, so that this can be rolled back too.

    Raises:
        NotFound: there is no such file, or no such version of it is kept.
        VersionConflict: it is at another version than `expect`.
    """
    current = tx.execute(
        select(rows.c.version).where(rows.c.path == path, ~rows.c.folder).with_for_update(key_share=True)
    ).scalar()
    if current is None:
        raise NotFound("file", path)
    wanted = tx.execute(_wanted(path, current, back)).one_or_none()
    if wanted is None:
        raise NotFound("version of file", f"{path} ({_oldest(tx, path)})")
    origin = files.Origin(agent_id, syscall_id, "rollback", f"version {wanted.version}")
    if wanted.digest is None:
        if files.find(tx, path) is None:
            raise NotFound("file", f"{path}: it is deleted, and was at version {wanted.version}")
        version = files.delete(tx, path, origin=origin, expect=expect)
        return {"path": path, "version": version, "size": 0, "restored": wanted.version, "deleted": True}
    if not blobs.hold(tx, bytes(wanted.digest)):
        raise NotFound("version of file", f"{path} version {wanted.version}: it has just been pruned")
    kept = Kept(bytes(wanted.digest), wanted.size)
    stored = files.put(tx, path, kept, media=wanted.media_type, origin=origin, expect=expect)
    return {**told(stored), "restored": wanted.version, "deleted": False}


def diff(tx: Transaction, path: str, *, old: int | None, new: int | None, blobs: Blobs) -> JsonObject:
    """What changed from one version of a text to another, as a unified diff; by default from the last but one to the newest.

    Raises:
        NotFound: there is no such version.
        InvalidArgument: it is no text, or too long to compare.
    """
    after = _text(tx, path, new, blobs)
    older = versions.c.version < after.version if old is None else versions.c.version == old
    wanted = _all(path).where(older, versions.c.digest.is_not(None)).order_by(versions.c.version.desc()).limit(1)
    row = tx.execute(wanted).one_or_none()
    if row is None:
        raise NotFound("version of file", f"{path} before version {after.version}" if old is None else f"{path} {old}")
    before = _text(tx, path, row.version, blobs)
    lines = difflib.unified_diff(
        _lines(before, path),
        _lines(after, path),
        f"{path}@{before.version}",
        f"{path}@{after.version}",
    )
    return {"path": path, "from": before.version, "to": after.version, "diff": "".join(map(_ended, lines))}


def told(stored: Stored) -> JsonObject:
    """A stored version as a result."""
    instant = stored.updated_at.isoformat()
    return {"path": stored.path, "version": stored.version, "size": stored.size, "updated_at": instant}


def _all(path: str) -> Select[*tuple[object, ...]]:
    columns = (
        versions.c.version,
        versions.c.digest,
        versions.c.size,
        versions.c.media_type,
        versions.c.op,
        versions.c.origin,
        versions.c.agent_id,
        versions.c.created_at,
    )
    return select(*columns).join(rows, rows.c.id == versions.c.file_id).where(rows.c.path == path)


def _wanted(path: str, current: int, back: Back) -> Select[*tuple[object, ...]]:
    every = _all(path).order_by(versions.c.version.desc()).limit(1)
    if back.before is not None:
        return every.where(versions.c.created_at <= back.before)
    return every.where(versions.c.version == (back.to if back.to is not None else current - (back.versions or 1)))


def _oldest(tx: Transaction, path: str) -> str:
    oldest = select(func.min(versions.c.version)).join(rows, rows.c.id == versions.c.file_id).where(rows.c.path == path)
    return f"the oldest that is kept is {tx.execute(oldest).scalar()}"


def _text(tx: Transaction, path: str, version: int | None, blobs: Blobs) -> Content:
    found = files.read(tx, path, version=version, blobs=blobs)
    if found is None:
        raise NotFound("file", path if version is None else f"{path}, version {version}")
    return found


def _lines(content: Content, path: str) -> list[str]:
    try:
        lines = content.data.decode().splitlines(keepends=True)
    except UnicodeDecodeError as error:
        raise InvalidArgument("path", path, f"version {content.version} is no text; compare digests instead") from error
    if len(lines) > MOST_LINES:
        raise InvalidArgument("path", path, f"version {content.version} has {len(lines)} lines; {MOST_LINES} compare")
    return lines


def _ended(line: str) -> str:
    return line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _told(row: Row[*tuple[object, ...]]) -> JsonObject:
    return {
        "version": row.version,
        "op": row.op,
        "size": row.size,
        "digest": bytes(row.digest).hex() if row.digest is not None else None,
        "media_type": row.media_type,
        "agent": str(row.agent_id) if row.agent_id else None,
        "origin": row.origin,
        "created_at": row.created_at.isoformat(),
    }
