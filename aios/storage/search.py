"""Search: files found by their words (full text), by their meaning (vectors), or by both, fused by rank.

Vectors are compared one by one: a search stays within a folder, and an exact scan of a folder misses nothing, whereas an
approximate index over all agents' files would be filtered down to it. Source of the fusion: Cormack, Clarke and Buettcher,
"Reciprocal Rank Fusion outperforms Condorcet", 2009.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Text, and_, cast, func, select
from sqlalchemy.dialects.postgresql import TSQUERY

from aios.db.tables import chunks, file_versions, files
from aios.storage import pattern as glob

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import ColumnElement, Row, Select

    from aios.db.session import Transaction
    from aios.kernel.values import JsonObject

# What both ways find at a rank below this + 2 stands before the best of either; with the paper's 60, meant for lists of a
# thousand, that would be all that both find among the first fifty.
FUSION: Final = 5
_FEWEST_CANDIDATES: Final = 50
_CANDIDATES_PER_RESULT: Final = 5
_LONGEST_WORDS: Final = 2_000  # characters of a query that full text looks at

NEWEST: Final = and_(file_versions.c.file_id == files.c.id, file_versions.c.version == files.c.version)
_CONTENT: Final = and_(chunks.c.digest == file_versions.c.digest, chunks.c.media_type == file_versions.c.media_type)
PARTS: Final = files.join(file_versions, NEWEST).join(chunks, _CONTENT)
"""Files with the parts that search knows of their newest versions."""


@dataclass(frozen=True)
class Where:
    """Which files are searched.

    Attributes:
        pattern: canonical glob pattern of their paths.
        after: changed at this instant or later.
    """

    pattern: str
    media_type: str | None = None
    after: datetime | None = None
    before: datetime | None = None


@dataclass(frozen=True)
class Meaning:
    """What a query means to an embedder; vectors of others are not compared with it."""

    embedder: str
    vector: Sequence[float]


def search(tx: Transaction, query: str, *, where: Where, k: int, words: bool, meaning: Meaning | None) -> JsonObject:
    """The k best files, best first, each with its best part; and how many files search does not know yet.

    Args:
        tx: the transaction.
        query: the words.
        where: which files.
        k: how many.
        words: whether to look for the words.
        meaning: whether to look for the meaning, and for which.
    """
    conditions = chosen(tx, where)
    count = max(_FEWEST_CANDIDATES, _CANDIDATES_PER_RESULT * k)
    ways = {}
    if words:
        ways["words"] = tx.execute(_by_words(query, conditions).limit(count)).all()
    if meaning is not None:
        ways["meaning"] = tx.execute(_by_meaning(meaning, conditions).limit(count)).all()
    best = fused({way: [_key(row) for row in rows] for way, rows in ways.items()})
    told = {_key(row): row for rows in ways.values() for row in rows}
    hits: dict[UUID, JsonObject] = {}
    for key, score, found_by in best:
        if key[0] not in hits and len(hits) < k:
            hits[key[0]] = {**_told(told[key]), "score": score, "by": found_by}
    return {"hits": list(hits.values()), "unindexed": unindexed(tx, *conditions)}


def unindexed(tx: Transaction, *conditions: ColumnElement[bool]) -> int:
    """How many of some files search does not know as they are now."""
    unknown = select(func.count()).select_from(files).where(*conditions, files.c.indexed < files.c.version)
    return tx.execute(unknown).scalar_one()


def fused(ways: Mapping[str, Sequence[Any]]) -> list[tuple[Any, float, str]]:
    """Rankings made one: each find's sum of 1 / (5 + rank), best first, with the ways by which it was found."""
    scores: dict[Any, float] = {}
    found_by: dict[Any, list[str]] = {}
    for way, ranked in ways.items():
        for rank, key in enumerate(ranked, start=1):
            scores[key] = scores.get(key, 0.0) + 1 / (FUSION + rank)
            found_by.setdefault(key, []).append(way)
    best = sorted(scores, key=lambda key: -scores[key])
    return [(key, round(scores[key], 6), "both" if len(found_by[key]) > 1 else found_by[key][0]) for key in best]


def chosen(tx: Transaction, where: Where) -> list[ColumnElement[bool]]:
    """The files that are looked at, as conditions."""
    prefix = glob.literal_prefix(where.pattern)
    conditions = [files.c.path.startswith(prefix, autoescape=True), ~files.c.deleted, ~files.c.folder]
    if where.after is not None:
        conditions.append(files.c.updated_at >= where.after)
    if where.before is not None:
        conditions.append(files.c.updated_at < where.before)
    if where.media_type is not None:
        kind = select(1).where(NEWEST, file_versions.c.media_type == where.media_type).correlate(files).exists()
        conditions.append(kind)
    if where.pattern != f"{prefix}**":
        rows: Iterable[Row[Any]] = tx.execute(select(files.c.id, files.c.path).where(*conditions))
        conditions.append(files.c.id.in_([row.id for row in rows if glob.matches(where.pattern, row.path)]))
    return conditions


def _by_words(query: str, conditions: list[ColumnElement[bool]]) -> Select[Any]:
    """Any of the words is enough; the rank counts how many, and how near each other. No text is bad syntax."""
    every = func.plainto_tsquery("english", query[:_LONGEST_WORDS])
    some = cast(func.replace(cast(every, Text), "&", "|"), TSQUERY)
    rank = func.ts_rank(chunks.c.words, some, 1)  # 1: divided by the logarithm of the length
    return _found(conditions).where(chunks.c.words.bool_op("@@")(some)).order_by(rank.desc(), files.c.path)


def _by_meaning(meaning: Meaning, conditions: list[ColumnElement[bool]]) -> Select[Any]:
    distance = chunks.c.embedding.cosine_distance(meaning.vector)
    return _found(conditions).where(chunks.c.embedder == meaning.embedder).order_by(distance, files.c.path)


def _found(conditions: list[ColumnElement[bool]]) -> Select[Any]:
    about = files.c.id, files.c.path, files.c.version, files.c.updated_at
    part = chunks.c.media_type, chunks.c.position, chunks.c.heading, chunks.c.content
    return select(*about, *part).select_from(PARTS).where(*conditions)


def _key(row: Row[Any]) -> tuple[UUID, int]:
    return row.id, row.position


def _told(row: Row[Any]) -> JsonObject:
    return {
        "path": row.path,
        "version": row.version,
        "media_type": row.media_type,
        "updated_at": row.updated_at.isoformat(),
        "heading": row.heading,
        "content": row.content,
    }
