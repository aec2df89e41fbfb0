"""The statements of files: each runs in a transaction that somebody else opened and will commit.

Writers of one path queue at its row, so versions are consecutive, and the last one wins unless it said which version it
was meant for.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from sqlalchemy import and_, case, func, insert, literal, select, update
from sqlalchemy.dialects import postgresql

from aios.db.agents import owning
from aios.db.tables import blobs as blob_rows
from aios.db.tables import file_versions, files
from aios.errors import InvalidArgument, NotFound, VersionConflict
from aios.kernel import paths
from aios.kernel.ids import new_id
from aios.kernel.ports import Clauses
from aios.storage import folders
from aios.storage.blobs import Blobs, Kept
from aios.storage.media import SEARCHED, media_type

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import ColumnElement

    from aios.db.session import Transaction

IN_POSTGRES: Final = Blobs()
_TRIES: Final = 5

_WRITE: Final = """
    kept AS (
        INSERT INTO blobs (digest, size, data) SELECT :digest, :size, :data FROM mine ON CONFLICT DO NOTHING RETURNING digest
    ), content AS (
        SELECT digest FROM kept UNION ALL
        SELECT blobs.digest FROM blobs, mine WHERE blobs.digest = :digest AND blobs.data IS NOT NULL
    ), {above} file AS (
        INSERT INTO files AS f (id, path, agent_id, version, indexed)
        SELECT :file, :path, CAST(:owner AS uuid), 1, CASE WHEN :searched THEN 0 ELSE 1 END FROM content {there}
        ON CONFLICT (path) DO UPDATE
        SET version = f.version + 1, updated_at = clock_timestamp(),
            indexed = CASE WHEN :searched THEN f.indexed ELSE f.version + 1 END
        WHERE NOT f.deleted AND NOT f.folder
        RETURNING id, version, updated_at
    ), version AS (
        INSERT INTO file_versions (file_id, version, digest, size, media_type, agent_id, syscall_id)
        SELECT file.id, file.version, :digest, :size, :media, :agent_id, mine.id FROM file, mine RETURNING 1
    ), effect AS (
        SELECT jsonb_build_object(
            'path', CAST(:path AS text), 'version', file.version, 'size', CAST(:size AS bigint),
            'updated_at', to_char(file.updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')) AS result
        FROM file, version
    )
"""
_AT_THE_TOP: Final = _WRITE.format(above="", there="")
_IN_A_FOLDER: Final = _WRITE.format(
    above="""above AS (
        SELECT 1 FROM unnest(CAST(:above AS text[])) AS folder (path) JOIN files USING (path), mine
        WHERE files.folder AND NOT files.deleted FOR KEY SHARE OF files
    ),""",
    there="WHERE (SELECT count(*) FROM above) = :depth",
)


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
    media_type: str


class Known(NamedTuple):
    """The newest version of a file that is there."""

    id: UUID
    version: int
    digest: bytes
    size: int
    media_type: str


@dataclass(frozen=True)
class Origin:
    """Why a version came to be.

    Attributes:
        agent_id: who wrote it; None: an operator.
        op: `write`, `append`, `delete`, `rollback`, `move` or `copy`.
        source: where the content came from, when it came from another version.
    """

    agent_id: UUID | None = None
    syscall_id: UUID | None = None
    op: str = "write"
    source: str | None = None


def write(
    tx: Transaction,
    path: str,
    data: bytes,
    *,
    agent_id: UUID | None,
    syscall_id: UUID | None,
    blobs: Blobs = IN_POSTGRES,
    expect: int | None = None,
    op: str = "write",
) -> Stored:
    """Store a whole file as a new version.

    Args:
        tx: the transaction that it is part of.
        path: canonical.
        data: the content.
        agent_id: who writes; None: an operator.
        syscall_id: by which syscall.
        blobs: where contents are kept.
        expect: the version that it replaces; 0: there is no such file yet; None: whatever is there.
        op: what the history calls it.

    Raises:
        VersionConflict: the file is at another version.
        InvalidArgument: the path is a folder, or a file is where a folder of it must be.
    """
    kept = blobs.keep(tx, data)
    origin = Origin(agent_id=agent_id, syscall_id=syscall_id, op=op)
    return put(tx, path, kept, media=media_type(path, data), origin=origin, expect=expect)


def writing(path: str, data: bytes) -> Clauses:
    """`write` as part of the statement that completes its syscall, where its folders are there and nothing was deleted.

    Args:
        path: canonical.
        data: the content, which is kept in Postgres.
    """
    media = media_type(path, data)
    above = paths.ancestors(path)
    values = {
        "path": path,
        "digest": hashlib.sha256(data).digest(),
        "data": data,
        "size": len(data),
        "media": media,
        "searched": media in SEARCHED,
        "above": above,
        "depth": len(above),
        "file": new_id(),
        "owner": paths.owner(path),
    }
    return Clauses(_IN_A_FOLDER if above else _AT_THE_TOP, values)


def put(tx: Transaction, path: str, kept: Kept, *, media: str, origin: Origin, expect: int | None = None) -> Stored:
    """Store a content that is kept already as a new version."""
    row = _advance(tx, path, searched=media in SEARCHED, expect=expect)
    if row.was is not False:  # else its folders are there, and stay for as long as it does
        folders.make_above(tx, path)
    tx.execute(
        insert(file_versions).values(
            file_id=row.id,
            version=row.version,
            digest=kept.digest,
            size=kept.size,
            media_type=media,
            op=origin.op,
            origin=origin.source,
            agent_id=origin.agent_id,
            syscall_id=origin.syscall_id,
        )
    )
    return Stored(path, row.version, kept.size, row.updated_at)


def append(
    tx: Transaction,
    path: str,
    data: bytes,
    *,
    agent_id: UUID | None,
    syscall_id: UUID | None,
    blobs: Blobs = IN_POSTGRES,
    limit: int | None = None,
    expect: int | None = None,
) -> Stored:
    """Store a new version that ends with `data`; the file is made if there is none. No writer comes in between."""
    who = {"agent_id": agent_id, "syscall_id": syscall_id, "blobs": blobs, "op": "append"}
    for _ in range(_TRIES):
        known = find(tx, path, lock=True)
        if known is None and not expect:
            try:
                return write(tx, path, data, expect=0, **who)  # type: ignore[arg-type]  # one dict of several types
            except VersionConflict:  # somebody has just made it
                continue
        if known is None or (expect is not None and known.version != expect):
            raise VersionConflict(path, expect, known.version if known else 0)
        if limit is not None and known.size + len(data) > limit:
            raise InvalidArgument("content", f"{known.size + len(data)} bytes", f"a file has at most {limit} bytes")
        return write(tx, path, blobs.load(tx, known.digest) + data, **who)  # type: ignore[arg-type]  # as above
    raise VersionConflict(path, expect, 0)


def find(tx: Transaction, path: str, *, lock: bool = False) -> Known | None:
    """The newest version of a file; None if there is none. With `lock`, no other version can follow before `tx` ends."""
    if lock:
        held = select(files.c.id).where(files.c.path == path).with_for_update(key_share=True)
        if tx.execute(held).first() is None:  # whoever makes it now is not held back: nor must it be seen
            return None
    newest = and_(file_versions.c.file_id == files.c.id, file_versions.c.version == files.c.version)
    columns = files.c.id, files.c.version, file_versions.c.digest, file_versions.c.size, file_versions.c.media_type
    row = tx.execute(select(*columns).join(file_versions, newest).where(_live(path))).one_or_none()
    return None if row is None else Known(row.id, row.version, bytes(row.digest), row.size, row.media_type)


def read(tx: Transaction, path: str, *, version: int | None = None, blobs: Blobs = IN_POSTGRES) -> Content | None:
    """A version's content, the newest one if none is named; None if it does not exist or is a deletion."""
    wanted = files.c.version if version is None else literal(version)
    row = tx.execute(
        select(file_versions.c.version, file_versions.c.digest, file_versions.c.media_type, blob_rows.c.data)
        .join(files, files.c.id == file_versions.c.file_id)
        .join(blob_rows, blob_rows.c.digest == file_versions.c.digest)
        .where(files.c.path == path, file_versions.c.version == wanted)
    ).one_or_none()
    if row is None:
        return None
    data = bytes(row.data) if row.data is not None else blobs.load(tx, bytes(row.digest))
    return Content(row.version, data, row.media_type)


def hold(tx: Transaction, path: str, version: int) -> bool:
    """Keep a version with a content from being pruned before `tx` ends; False if there is none such."""
    wanted = select(file_versions.c.version).join(files, files.c.id == file_versions.c.file_id)
    wanted = wanted.where(files.c.path == path, file_versions.c.version == version, file_versions.c.digest.is_not(None))
    return tx.execute(wanted.with_for_update(read=True, key_share=True, of=file_versions)).first() is not None


def delete(tx: Transaction, path: str, *, origin: Origin, expect: int | None = None) -> int:
    """Store a version that is a deletion, and give its number.

    Raises:
        NotFound: there is no such file.
        VersionConflict: it is at another version.
    """
    wanted = _live(path) if expect is None else _live(path) & (files.c.version == expect)
    changed = {"version": files.c.version + 1, "deleted": True, "updated_at": func.clock_timestamp()}
    row = tx.execute(update(files).where(wanted).values(changed).returning(files.c.id, files.c.version)).one_or_none()
    if row is None:
        known = find(tx, path)
        if known is None or expect is None:  # else it has been made since
            raise NotFound("file", path)
        raise VersionConflict(path, expect, known.version)
    tx.execute(
        insert(file_versions).values(
            file_id=row.id,
            version=row.version,
            size=0,
            media_type="",
            op=origin.op,
            origin=origin.source,
            agent_id=origin.agent_id,
            syscall_id=origin.syscall_id,
        )
    )
    return int(row.version)


class _Advanced(NamedTuple):
    id: UUID
    version: int
    updated_at: datetime
    was: bool | None  # deleted before, or a folder; None: nobody knows


def _advance(tx: Transaction, path: str, *, searched: bool, expect: int | None) -> _Advanced:
    """Take the file's next version, and with it the right to write it."""
    following = files.c.version + 1
    values = {
        "version": following,
        "deleted": False,
        "folder": False,
        "updated_at": func.clock_timestamp(),
        "indexed": case((literal(searched), files.c.indexed), else_=following),
    }
    # Seen as it was when the statement began: another version than the one before this has been changed since, by a deletion
    # with its folders perhaps.
    old = files.alias()
    preceding = (old.c.path == files.c.path) & (old.c.version == files.c.version - 1)
    before = select(old.c.deleted | old.c.folder).where(preceding).correlate(files).scalar_subquery()
    told = (files.c.id, files.c.version, files.c.updated_at, before.label("was"))
    if expect:
        here = _live(path) & (files.c.version == expect)
        row = tx.execute(update(files).where(here).values(values).returning(*told)).one_or_none()
    else:
        free = files.c.deleted if expect == 0 else files.c.deleted | ~files.c.folder
        first = {"id": new_id(), "path": path, "agent_id": paths.owner(path), "version": 1}
        made = (
            postgresql.insert(files)
            .values(**first, indexed=0 if searched else 1)
            .on_conflict_do_update(index_elements=[files.c.path], set_=values, where=free)
            .returning(*told)
        )
        with owning(paths.owner(path)):
            row = tx.execute(made).one_or_none()
    if row is None:
        _refuse(tx, path, expect)
    return _Advanced(row.id, row.version, row.updated_at, row.was)


def _refuse(tx: Transaction, path: str, expect: int | None) -> NoReturn:
    row = tx.execute(select(files.c.version, files.c.deleted, files.c.folder).where(files.c.path == path)).one_or_none()
    if row is not None and row.folder and not row.deleted:
        raise InvalidArgument("path", path, "it is a folder; name a file in it")
    raise VersionConflict(path, expect, 0 if row is None or row.deleted else row.version)


def _live(path: str) -> ColumnElement[bool]:
    return (files.c.path == path) & ~files.c.deleted & ~files.c.folder
