"""Folders: rows beside those of files, so that no path is ever both; made above a file when it is, and by `mkdir`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.dialects import postgresql

from aios.db.tables import file_versions, files
from aios.errors import InvalidArgument, NotFound
from aios.kernel import paths
from aios.kernel.ids import new_id
from aios.storage import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlalchemy import ColumnElement

    from aios.db.session import Transaction

MOST_FILES: Final = 1000
"""Files that one operation on a folder changes at most."""


class Entry(NamedTuple):
    """A file or a folder, as lists tell it."""

    path: str
    version: int
    size: int
    updated_at: datetime
    folder: bool
    media_type: str


def make_above(tx: Transaction, path: str) -> None:
    """Make the folders that a path lies in, and hold those that are there: nobody removes them before `tx` ends.

    Raises:
        InvalidArgument: one of them is a file.
    """
    wanted = paths.ancestors(path)
    if wanted:
        _make(tx, wanted, path)


def make(tx: Transaction, path: str) -> bool:
    """Make a folder, and those it lies in; False if it was there.

    Raises:
        InvalidArgument: it, or one that it lies in, is a file.
    """
    return path in _make(tx, [*paths.ancestors(path), path], path)


def remove(tx: Transaction, path: str) -> None:
    """Remove a folder in which nothing is.

    Raises:
        NotFound: there is no such folder.
        InvalidArgument: something is in it.
    """
    here = (files.c.path == path) & files.c.folder & ~files.c.deleted
    if tx.execute(select(files.c.id).where(here).with_for_update()).first() is None:
        raise NotFound("folder", path)
    inside = tx.execute(select(files.c.path).where(_below(path + "/")).limit(1)).scalar()
    if inside is not None:
        raise InvalidArgument("folder", path, f"it is not empty ({inside} is in it); remove that first, or all of it")
    tx.execute(update(files).where(here).values(deleted=True, updated_at=func.clock_timestamp()))


def is_folder(tx: Transaction, path: str) -> bool:
    """Whether there is a folder of that path."""
    here = (files.c.path == path) & files.c.folder & ~files.c.deleted
    return tx.execute(select(1).where(here)).first() is not None


def matching(tx: Transaction, wanted: str, *, with_folders: bool = False) -> Iterator[Entry]:
    """The files (and folders) that match a glob pattern, by path; deleted ones are left out."""
    newest = and_(file_versions.c.file_id == files.c.id, file_versions.c.version == files.c.version)
    columns = files.c.path, files.c.version, func.coalesce(file_versions.c.size, 0), files.c.updated_at, files.c.folder
    kinds = [] if with_folders else [~files.c.folder]
    rows = tx.execute(
        select(*columns, func.coalesce(file_versions.c.media_type, ""))
        .outerjoin(file_versions, newest & ~files.c.folder)
        .where(_below(pattern.literal_prefix(wanted)), *kinds)
        .order_by(files.c.path)
    )
    return (Entry(*row) for row in rows if pattern.matches(wanted, row.path))


def tree(tx: Transaction, path: str) -> list[Entry]:
    """Everything in a folder, at any depth.

    Raises:
        InvalidArgument: it is more than one operation may change.
    """
    found = list(matching(tx, f"{path}/**", with_folders=True))
    if len(found) > MOST_FILES:
        raise InvalidArgument("folder", path, f"{len(found)} files are in it; at most {MOST_FILES} go in one operation")
    return found


def _make(tx: Transaction, wanted: list[str], path: str) -> list[str]:
    """Have these folders, locked against removal; gives those that were not there."""
    there = (files.c.path.in_(wanted)) & files.c.folder & ~files.c.deleted
    held = set(tx.execute(select(files.c.path).where(there).with_for_update(read=True, key_share=True)).scalars())
    missing = [folder for folder in wanted if folder not in held]
    if not missing:
        return []
    rows = [
        {"id": new_id(), "path": folder, "agent_id": paths.owner(folder), "folder": True, "version": 0}
        for folder in missing
    ]
    made = (
        postgresql.insert(files)
        .values(rows)
        .on_conflict_do_update(
            index_elements=[files.c.path],
            set_={"folder": True, "deleted": False, "indexed": files.c.version, "updated_at": func.clock_timestamp()},
            where=or_(files.c.deleted, files.c.folder),
        )
        .returning(files.c.path)
    )
    for taken in set(missing) - set(tx.execute(made).scalars()):
        raise InvalidArgument("path", path, f"{taken} is a file, so nothing can be in it")
    return missing


def _below(prefix: str) -> ColumnElement[bool]:
    return files.c.path.startswith(prefix, autoescape=True) & ~files.c.deleted
