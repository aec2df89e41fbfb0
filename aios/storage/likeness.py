"""What files mean as a whole, compared: with labels, and with each other.

A file means the mean of its parts' vectors. What search does not know, or knows by another embedder's vectors, is like nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pgvector.sqlalchemy import Vector
from sqlalchemy import and_, func, not_, select

from aios.db.tables import chunks, files
from aios.errors import InvalidArgument
from aios.storage.search import PARTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from sqlalchemy import CTE

    from aios.db.session import Transaction
    from aios.storage.search import Meaning
    from aios.storage.sets import Member

MOST_COMPARED: Final = 1000
"""Files on each side of a comparison at most: each is compared with each."""


def labelled(tx: Transaction, of: Sequence[Member], *, labels: Mapping[str, Meaning]) -> dict[UUID, str]:
    """For each of some files that mean something, the label that is nearest to it; the first of several.

    Args:
        tx: the transaction.
        of: the files.
        labels: what each label means, all to the same embedder.
    """
    embedder = next(iter(labels.values())).embedder
    means = _means(of, embedder=embedder)
    distances = [means.c.vector.cosine_distance(meaning.vector) for meaning in labels.values()]
    found: dict[UUID, str] = {}
    for row in tx.execute(select(means.c.id, *distances)):
        _, nearest = min(zip(row[1:], labels, strict=True), key=lambda pair: pair[0])
        found[row.id] = nearest
    return found


def alike(
    tx: Transaction, left: Sequence[Member], right: Sequence[Member], *, embedder: str, least: float, limit: int
) -> list[tuple[UUID, UUID, float]]:
    """Pairs of files that mean alike, the most alike first; a file and itself are none, and no pair is told both ways.

    Args:
        tx: the transaction.
        left: one side.
        right: the other; a file may be on both.
        embedder: whose vectors are compared.
        least: the lowest cosine similarity of a pair.
        limit: how many.

    Raises:
        InvalidArgument: they are too many to compare.
    """
    for side, of in (("left", left), ("right", right)):
        if len(of) > MOST_COMPARED:
            raise InvalidArgument(side, f"{len(of)} files", f"at most {MOST_COMPARED} are compared; narrow it")
    one, other = _means(left, embedder=embedder), _means(right, embedder=embedder)
    both = {member.id for member in left} & {member.id for member in right}
    told_already = and_(one.c.path > other.c.path, one.c.id.in_(both), other.c.id.in_(both))
    score = 1 - one.c.vector.cosine_distance(other.c.vector)
    pairs = (
        select(one.c.id, other.c.id, score.label("score"))
        .where(one.c.id != other.c.id, not_(told_already), score >= least)
        .order_by(score.desc(), one.c.path, other.c.path)
        .limit(limit)
    )
    return [(row[0], row[1], round(float(row.score), 6)) for row in tx.execute(pairs)]


def _means(of: Sequence[Member], *, embedder: str) -> CTE:
    """Materialised: a planner that expects few rows would take the means again for each file of the other side."""
    mean = func.avg(chunks.c.embedding, type_=Vector()).label("vector")
    theirs = files.c.id.in_([member.id for member in of]), chunks.c.embedder == embedder
    means = select(files.c.id, files.c.path, mean).select_from(PARTS).where(*theirs).group_by(files.c.id)
    return means.cte().prefix_with("MATERIALIZED")
