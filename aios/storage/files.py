"""The statements of storage: each runs in a transaction that somebody else opened and will commit."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import and_, func, insert, literal, select, update
from sqlalchemy.dialects import postgresql

from aios.db.tables import blobs, file_versions, files
from aios.kernel.ids import new_id

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from aios.db.session import Transaction

TEXT: Final = "text/plain; charset=utf-8"


class Stored(NamedTuple):
    """One version of a file, without its content."""

    path: str
    version: int
    size: int
    updated_at: datetime


class Content(NamedTuple):
    """One version of a file with its content."""

    version: int
    data: bytes


def write(tx: Transaction, path: str, data: bytes, *, agent_id: UUID, syscall_id: UUID) -> Stored:
    """Store a new version. Writers of one path queue at its row, so versions are consecutive and the last one wins."""
    digest = _store_blob(tx, data)
    row = tx.execute(
        postgresql.insert(files)
        .values(id=new_id(), path=path, agent_id=agent_id, version=1)
        .on_conflict_do_update(
            index_elements=[files.c.path],
            set_={"version": files.c.version + 1, "deleted": False, "updated_at": func.clock_timestamp()},
        )
        .returning(files.c.id, files.c.version, files.c.updated_at)
    ).one()
    _store_version(tx, row.id, row.version, digest=digest, size=len(data), syscall_id=syscall_id)
    return Stored(path, row.version, len(data), row.updated_at)


def read(tx: Transaction, path: str, *, version: int | None) -> Content | None:
    """A version's content, the newest one if none is named; None if it does not exist or is a deletion."""
    wanted = files.c.version if version is None else literal(version)
    row = tx.execute(
        select(file_versions.c.version, blobs.c.data)
        .join(files, files.c.id == file_versions.c.file_id)
        .join(blobs, blobs.c.digest == file_versions.c.digest)
        .where(files.c.path == path, file_versions.c.version == wanted)
    ).one_or_none()
    return None if row is None else Content(row.version, row.data)


def below(tx: Transaction, prefix: str, *, agent_id: UUID) -> list[Stored]:
    """The agent's files whose path begins with `prefix`, by path; deleted ones are left out."""
    newest = and_(file_versions.c.file_id == files.c.id, file_versions.c.version == files.c.version)
    rows = tx.execute(
        select(files.c.path, files.c.version, file_versions.c.size, files.c.updated_at)
        .join(file_versions, newest)
        .where(files.c.agent_id == agent_id, ~files.c.deleted, files.c.path.startswith(prefix, autoescape=True))
        .order_by(files.c.path)
    )
    return [Stored(*row) for row in rows]


def delete(tx: Transaction, path: str, *, syscall_id: UUID) -> int | None:
    """Store a version that is a deletion, and give its number; None if there is no such file."""
    row = tx.execute(
        update(files)
        .where(files.c.path == path, ~files.c.deleted)
        .values(version=files.c.version + 1, deleted=True, updated_at=func.clock_timestamp())
        .returning(files.c.id, files.c.version)
    ).one_or_none()
    if row is None:
        return None
    _store_version(tx, row.id, row.version, digest=None, size=0, syscall_id=syscall_id)
    return int(row.version)


def _store_blob(tx: Transaction, data: bytes) -> bytes:
    """Content is stored once, under its SHA-256, however many versions have it."""
    digest = hashlib.sha256(data).digest()
    known = select(blobs.c.size).where(blobs.c.digest == digest).with_for_update(read=True, key_share=True)
    if (
        tx.execute(known).one_or_none() is None
    ):  # locked, so that pruning cannot take it before our version refers to it
        row = postgresql.insert(blobs).values(digest=digest, size=len(data), data=data)
        tx.execute(row.on_conflict_do_nothing())
    return digest


def _store_version(
    tx: Transaction, file_id: UUID, version: int, *, digest: bytes | None, size: int, syscall_id: UUID
) -> None:
    tx.execute(
        insert(file_versions).values(
            file_id=file_id, version=version, digest=digest, size=size, media_type=TEXT, syscall_id=syscall_id
        )
    )
