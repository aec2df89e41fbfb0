"""Move, copy and delete files and whole folders: no content is touched, each file changed gets a version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from aios.db.tables import files as rows
from aios.errors import InvalidArgument, NotFound
from aios.storage import files, folders
from aios.storage.blobs import Kept
from aios.storage.files import Origin

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from aios.db.session import Transaction
    from aios.storage.files import Stored


def copy(
    tx: Transaction, source: str, target: str, *, agent_id: UUID | None, syscall_id: UUID | None, replace: bool = False
) -> list[Stored]:
    """Copy a file, or a folder with all that is in it; gives the new versions.

    Raises:
        NotFound: there is no such file or folder.
        VersionConflict: a target exists already, and `replace` is not set.
        InvalidArgument: a folder is to go into itself, or too many files are in it.
    """
    who = Origin(agent_id=agent_id, syscall_id=syscall_id, op="copy")
    return [_copy(tx, *pair, who=who, replace=replace) for pair in _pairs(tx, source, target)]


def move(
    tx: Transaction, source: str, target: str, *, agent_id: UUID | None, syscall_id: UUID | None, replace: bool = False
) -> list[Stored]:
    """Move a file, or a folder with all that is in it; gives the new versions. The history stays where it was made.

    Raises:
        NotFound: there is no such file or folder.
        VersionConflict: a target exists already, and `replace` is not set.
        InvalidArgument: a folder is to go into itself, or too many files are in it.
    """
    who = Origin(agent_id=agent_id, syscall_id=syscall_id, op="move")
    made = []
    for old, new in _pairs(tx, source, target):
        made.append(_copy(tx, old, new, who=who, replace=replace))
        files.delete(tx, old, origin=Origin(agent_id, syscall_id, "move", f"to {new}"))
    if folders.is_folder(tx, source):
        _remove_folders(tx, source)
    return made


def delete_all(tx: Transaction, path: str, *, agent_id: UUID | None, syscall_id: UUID | None) -> int:
    """Delete a folder with all that is in it; every file's versions stay. Gives how many files went.

    Raises:
        NotFound: there is no such folder.
        InvalidArgument: too many files are in it.
    """
    inside = [entry.path for entry in folders.tree(tx, path) if not entry.folder]
    if not inside and not folders.is_folder(tx, path):
        raise NotFound("folder", path)
    there = _lock(tx, inside)
    for name in sorted(there):
        files.delete(tx, name, origin=Origin(agent_id, syscall_id, "delete"))
    if folders.is_folder(tx, path):
        _remove_folders(tx, path)
    return len(there)


def _copy(tx: Transaction, source: str, target: str, *, who: Origin, replace: bool) -> Stored:
    known = files.find(tx, source)
    if known is None:
        raise NotFound("file", source)
    origin = Origin(who.agent_id, who.syscall_id, who.op, f"{source} version {known.version}")
    kept = Kept(known.digest, known.size)
    return files.put(tx, target, kept, media=known.media_type, origin=origin, expect=None if replace else 0)


def _pairs(tx: Transaction, source: str, target: str) -> list[tuple[str, str]]:
    """Which file goes where, all of them locked in one order, so that two moves never wait for each other."""
    if source == target or target.startswith(f"{source}/"):
        raise InvalidArgument("target", target, f"it is {source} itself, or in it")
    inside = [source]
    if files.find(tx, source) is None:
        inside = [entry.path for entry in folders.tree(tx, source) if not entry.folder]
    pairs = [(path, target + path.removeprefix(source)) for path in inside]
    there = _lock(tx, [path for pair in pairs for path in pair])
    found = [pair for pair in pairs if pair[0] in there]
    if not found:
        if not folders.is_folder(tx, source):
            raise NotFound("file", source)
        folders.make(tx, target)
    return found


def _lock(tx: Transaction, paths: Iterable[str]) -> set[str]:
    """Hold files against other writers, in the order of their paths; gives those that nobody has deleted before."""
    wanted = (
        select(rows.c.path, rows.c.deleted | rows.c.folder).where(rows.c.path.in_(list(paths))).order_by(rows.c.path)
    )
    return {path for path, gone in tx.execute(wanted.with_for_update(key_share=True)) if not gone}


def _remove_folders(tx: Transaction, path: str) -> None:
    inner = [entry.path for entry in folders.tree(tx, path) if entry.folder]
    for folder in sorted([*inner, path], reverse=True):
        folders.remove(tx, folder)
