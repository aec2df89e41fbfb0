"""Search: the nearest by meaning (pgvector) and by words (full text), fused by rank.

Source: Cormack, Clarke and Buettcher, "Reciprocal Rank Fusion outperforms Condorcet", 2009: sum of 1 / (60 + rank).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pgvector.sqlalchemy import Vector
from sqlalchemy import Text, cast, func, literal_column, select
from sqlalchemy.dialects.postgresql import ARRAY, TSQUERY

from aios.db.tables import memories
from aios.memory.notes import told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import CTE, ColumnElement, Select

    from aios.db.session import Transaction
    from aios.kernel.values import JsonObject
    from aios.memory.notes import Vector as Embedded

_FUSION: Final = 60
_FEWEST_CANDIDATES: Final = 40
_CANDIDATES_PER_RESULT: Final = 3
_LONGEST_WORDS: Final = 2_000  # characters of a query that full text looks at
_MOST_SCANNED: Final = 200_000

# An HNSW index knows no namespaces: it goes on until enough of its finds pass the filter.
_SCAN: Final = (
    "SET LOCAL hnsw.iterative_scan = relaxed_order",
    f"SET LOCAL hnsw.max_scan_tuples = {_MOST_SCANNED}",
)


def search(
    tx: Transaction, *, namespace: str, query: str, vector: Embedded, k: int, tags: Sequence[str]
) -> list[JsonObject]:
    """The k best memories of a namespace that have all these tags, best first, each with its `score`."""
    for statement in _SCAN:
        tx.exec_driver_sql(statement)
    candidates = max(_FEWEST_CANDIDATES, _CANDIDATES_PER_RESULT * k)
    own = [memories.c.namespace == namespace]
    if tags:
        own.append(memories.c.tags.contains(cast(list(tags), ARRAY(Text))))
    near = _ranked("near", _by_meaning(vector, own).limit(candidates))
    worded = _ranked("worded", _by_words(query, own).limit(candidates))
    return [{**told(row), "score": float(row.score)} for row in tx.execute(_fused(near, worded).limit(k))]


def _by_meaning(vector: Embedded, own: list[ColumnElement[bool]]) -> Select[Any]:
    length = len(vector.values)
    distance = cast(memories.c.vector, Vector(length)).cosine_distance(vector.values)
    # The index of this length, and the embedder's own vectors in it: others of the same length mean something else.
    same = func.vector_dims(memories.c.vector) == literal_column(str(length)), memories.c.embedder == vector.embedder
    chosen = select(memories.c.id, distance.label("distance")).where(*own, *same)
    return chosen.order_by(distance)


def _by_words(query: str, own: list[ColumnElement[bool]]) -> Select[Any]:
    """Any of the words is enough; the rank counts how many. Postgres' parser makes them, so no text is bad syntax."""
    every = func.plainto_tsquery("english", query[:_LONGEST_WORDS])
    some = cast(func.replace(cast(every, Text), "&", "|"), TSQUERY)
    # 1: divided by the logarithm of the length, so that long memories do not win by length alone.
    distance = -func.ts_rank(memories.c.words, some, 1)
    chosen = select(memories.c.id, distance.label("distance")).where(*own, memories.c.words.bool_op("@@")(some))
    return chosen.order_by(distance, memories.c.id)


def _ranked(name: str, nearest: Select[Any]) -> CTE:
    """The finds with their rank, in true order: a relaxed index scan only comes close to it."""
    found = nearest.cte(f"{name}_found")
    rank = func.row_number().over(order_by=(found.c.distance, found.c.id))
    return select(found.c.id, rank.label("rank")).cte(name)


def _fused(near: CTE, worded: CTE) -> Select[Any]:
    both = near.join(worded, near.c.id == worded.c.id, full=True)
    score = func.coalesce(1.0 / (_FUSION + near.c.rank), 0) + func.coalesce(1.0 / (_FUSION + worded.c.rank), 0)
    fused = (
        select(func.coalesce(near.c.id, worded.c.id).label("id"), score.label("score")).select_from(both).cte("fused")
    )
    columns = memories.c.id, memories.c.content, memories.c.tags, memories.c.metadata, fused.c.score
    return (
        select(*columns)
        .join(fused, fused.c.id == memories.c.id)
        .order_by(fused.c.score.desc(), memories.c.created_at.desc(), memories.c.id)
    )
