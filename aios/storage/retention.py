"""What of the files is kept for how long: old versions, deleted files, links that expired. Short batches; no writer waits.

A version goes when it is neither among the newest N of its file nor younger than M days; the newest one never goes. A
deleted file goes with all its versions when it was deleted M days ago. Rows that somebody holds are passed over.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import TextClause

    from aios.db.session import Database
    from aios.kernel.values import Json
    from aios.storage.blobs import Blobs

BATCH: Final = 500
_UNUSED: Final = timedelta(hours=1)  # of an object: it may belong to a write that is under way

_DROP_VERSIONS: Final = text(
    """
    DELETE FROM file_versions WHERE (file_id, version) IN (
        SELECT v.file_id, v.version FROM file_versions v JOIN files f ON f.id = v.file_id
        WHERE v.created_at < clock_timestamp() - CAST(:age AS interval) AND v.version <= f.version - :keep
          AND NOT EXISTS (
              SELECT 1 FROM share_links s WHERE s.file_id = v.file_id AND s.version = v.version
                AND s.revoked_at IS NULL AND s.expires_at > clock_timestamp())
        LIMIT :batch FOR UPDATE OF v SKIP LOCKED)
    """
)

_DROP_FILES: Final = text(
    """
    DELETE FROM files WHERE id IN (
        SELECT id FROM files WHERE deleted AND updated_at < clock_timestamp() - CAST(:age AS interval)
        LIMIT :batch FOR UPDATE SKIP LOCKED)
    """
)

_DROP_LINKS: Final = text(
    """
    DELETE FROM share_links WHERE id IN (
        SELECT id FROM share_links WHERE LEAST(expires_at, revoked_at) < clock_timestamp() - CAST(:age AS interval)
        LIMIT :batch FOR UPDATE SKIP LOCKED)
    """
)


class Dropped(NamedTuple):
    """How much of each kind went."""

    versions: int = 0
    files: int = 0
    links: int = 0


@dataclass(frozen=True)
class Retention:
    """How long files are kept.

    Attributes:
        versions: of each file so many stay, however old.
        days: and all that are younger.
    """

    blobs: Blobs
    versions: int
    days: float

    def drop(self, database: Database) -> Dropped:
        """Drop what is old. It may be broken off at any time; what was done until then is done."""
        values = {"age": timedelta(days=self.days), "keep": self.versions, "batch": BATCH}
        return Dropped(*(_all(database, statement, values) for statement in (_DROP_VERSIONS, _DROP_FILES, _DROP_LINKS)))

    def sweep(self, database: Database) -> int:
        """Remove objects that no row knows; gives how many."""
        return self.blobs.sweep(database, unused=_UNUSED)


def _all(database: Database, statement: TextClause, values: Mapping[str, Json]) -> int:
    removed = 0
    while True:
        with database.transaction() as tx:
            found = tx.execute(statement, values).rowcount
        removed += found
        if found < BATCH:
            return removed
