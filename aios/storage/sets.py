"""Sets of files: those of an area, or those of it that a query finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import and_, select

from aios.db.tables import file_versions, files
from aios.errors import InvalidArgument
from aios.storage.search import NEWEST, chosen, search

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import ColumnElement

    from aios.db.session import Transaction
    from aios.kernel.values import JsonObject
    from aios.storage.search import Meaning, Where

MOST_FILES: Final = 5000
"""Files of one set at most: what is told of them goes into a journal."""


@dataclass(frozen=True)
class FileSet:
    """Which files.

    Attributes:
        where: the area.
        query: what they are found by, the `k` best; empty: all of the area.
        words: whether the query is looked for by its words.
        meaning: what it means, if it is looked for by that.
    """

    where: Where
    query: str = ""
    k: int = 100
    words: bool = True
    meaning: Meaning | None = None


class Member(NamedTuple):
    """A file of a set, as it is now; `agent_id` wrote it so, None: an operator."""

    id: UUID
    path: str
    version: int
    size: int
    updated_at: datetime
    media_type: str
    agent_id: UUID | None

    @property
    def told(self) -> JsonObject:
        """As lists tell it."""
        instant = self.updated_at.isoformat()
        about = {"path": self.path, "version": self.version, "size": self.size, "media_type": self.media_type}
        return {**about, "updated_at": instant}


class Members(NamedTuple):
    """A set's files by path, and the area that they are of, as a condition."""

    files: list[Member]
    area: ColumnElement[bool]


def members(tx: Transaction, wanted: FileSet) -> Members:
    """The files of a set.

    Raises:
        InvalidArgument: they are too many.
    """
    conditions = chosen(tx, wanted.where)
    area = and_(*conditions)
    if wanted.query.strip():
        found = search(tx, wanted.query, where=wanted.where, k=wanted.k, words=wanted.words, meaning=wanted.meaning)
        conditions.append(files.c.path.in_([hit["path"] for hit in found["hits"]]))
    about = files.c.id, files.c.path, files.c.version, file_versions.c.size, files.c.updated_at
    rows = tx.execute(
        select(*about, file_versions.c.media_type, file_versions.c.agent_id)
        .join(file_versions, NEWEST)
        .where(*conditions)
        .order_by(files.c.path)
        .limit(MOST_FILES + 1)
    ).all()
    if len(rows) > MOST_FILES:
        pattern = wanted.where.pattern
        raise InvalidArgument("pattern", pattern, f"more than {MOST_FILES} files match; narrow it, or give a query")
    return Members([Member(*row) for row in rows], area)
