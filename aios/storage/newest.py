"""What a folder has now, deletions too: for whoever compares it with what it had."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import and_, select, text

from aios.db.tables import file_versions, files

if TYPE_CHECKING:
    from aios.db.session import Transaction


class Newest(NamedTuple):
    """The newest version of a path; without a digest it is a deletion."""

    path: str
    version: int
    digest: bytes | None


def newest(tx: Transaction, folder: str) -> list[Newest]:
    """The newest version of every file that is or was in a folder, at any depth."""
    version = and_(file_versions.c.file_id == files.c.id, file_versions.c.version == files.c.version)
    rows = tx.execute(
        select(files.c.path, files.c.version, file_versions.c.digest)
        .join(file_versions, version)
        .where(files.c.path.startswith(f"{folder}/", autoescape=True))
    )
    return [Newest(row.path, row.version, None if row.digest is None else bytes(row.digest)) for row in rows]


def system(tx: Transaction) -> str:
    """A name for this database, which no other one has: versions of one path can be compared within it only."""
    here = "SELECT system_identifier || '/' || oid FROM pg_control_system(), pg_database WHERE datname = current_database()"
    return str(tx.execute(text(here)).scalar_one())
