"""Search: the nearest by meaning (pgvector) and by words (full text), fused by rank.

Source: Cormack, Clarke and Buettcher, "Reciprocal Rank Fusion outperforms Condorcet", 2009: sum of 1 / (60 + rank).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pgvector.sqlalchemy import HALFVEC
from pgvector.sqlalchemy import VECTOR as COLUMN
from sqlalchemy import Text, case, cast, func, literal_column, select, text
from sqlalchemy.dialects.postgresql import ARRAY, TSQUERY

from aios.db.tables import memories
from aios.memory import notes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import CTE, ColumnElement, Select

    from aios.db.session import Transaction
    from aios.kernel.values import JsonObject
    from aios.memory.notes import Vector

_FUSION: Final = 60
_FEWEST_CANDIDATES: Final = 40
_CANDIDATES_PER_RESULT: Final = 3
_LONGEST_WORDS: Final = 2_000  # characters of a query that full text looks at
_MOST_SCANNED: Final = 200_000
_EF_SEARCH: Final = 100  # measured: `aios bench memory`
_MOST_EXACT: Final = 2_000  # dimensions that pgvector indexes in full precision

_EXACT_FACTOR: Final = 8.0  # measured: so many times the root of all notes are compared as fast as the index finds them

# An HNSW index knows no namespaces: it goes on until enough of its finds pass the filter. The smaller a namespace's share
# of all notes, the longer that takes, and at some size comparing all of them is quicker, and exact. The planner cannot
# tell, for it takes a comparison of 384 numbers to cost as much as one of two; so above that size it may not sort.
_SCAN: Final = text(
    f"""
    WITH few AS (
        SELECT CAST(:factor * sqrt(greatest(reltuples, 1)) AS int) AS rows FROM pg_class WHERE oid = 'memories'::regclass
    ), own AS (
        SELECT count(*) AS rows FROM (
            SELECT 1 FROM memories WHERE namespace = ANY(:namespaces) LIMIT (SELECT rows + 1 FROM few)) AS counted
    )
    SELECT set_config('hnsw.iterative_scan', 'relaxed_order', true),
           set_config('hnsw.max_scan_tuples', '{_MOST_SCANNED}', true), set_config('hnsw.ef_search', '{_EF_SEARCH}', true),
           set_config('enable_sort', CASE WHEN own.rows > few.rows THEN 'off' ELSE 'on' END, true)
    FROM few, own
    """  # noqa: S608  # constants of ours; values are bound
)


@dataclass(frozen=True)
class Query:
    """What is looked for, and where.

    Attributes:
        namespaces: None: in all of them, for operators.
        tags: a note must have all of them.
        after: a note must have been made then or later; `before`: earlier than that.
        threshold: the least cosine similarity; -1 lets notes pass that only words find.
    """

    text: str
    vector: Vector
    k: int
    namespaces: Sequence[str] | None
    tags: Sequence[str] = ()
    category: str = ""
    after: datetime | None = None
    before: datetime | None = None
    threshold: float = -1.0


def search(tx: Transaction, query: Query, *, count: bool = True) -> list[JsonObject]:
    """The k best notes, best first: each with its fused `score`, and its cosine `similarity` if it can be compared.

    Args:
        tx: the transaction.
        query: what is looked for.
        count: whether the finds count as read.
    """
    filtered = query.tags or query.category or query.after or query.before
    _prepare(tx, [] if filtered or query.namespaces is None else query.namespaces)
    candidates = max(_FEWEST_CANDIDATES, _CANDIDATES_PER_RESULT * query.k)
    own = _filters(query)
    near = _ranked("near", _by_meaning(query.vector, own).limit(candidates))
    worded = _ranked("worded", _by_words(query.text, own).limit(candidates))
    rows = tx.execute(_fused(near, worded, query).limit(query.k)).all()
    if count:
        notes.count_reads(tx, [row.id for row in rows])
    return [{**notes.told(row), "score": float(row.score), "similarity": row.similarity} for row in rows]


def nearest(tx: Transaction, vector: Vector, *, namespace: str, k: int, but: Sequence[Any]) -> list[JsonObject]:
    """The k notes nearest in meaning alone, without some of them, each with its `similarity`."""
    _prepare(tx, [namespace])
    own = [memories.c.namespace == namespace, memories.c.id.not_in(list(but))]
    near = _by_meaning(vector, own).limit(k).cte("near")
    asked = select(*notes.TOLD, (1 - near.c.distance).label("similarity")).join(near, near.c.id == memories.c.id)
    rows = tx.execute(asked.order_by(near.c.distance + 0, memories.c.id))
    return [{**notes.told(row), "similarity": float(row.similarity)} for row in rows]


def _prepare(tx: Transaction, namespaces: Sequence[str]) -> None:
    """Tell Postgres how to look for the nearest, for this transaction; where nothing is known, it decides."""
    tx.execute(_SCAN, {"factor": _EXACT_FACTOR, "namespaces": list(namespaces)})


def distance_to(vector: Vector) -> ColumnElement[float]:
    """The cosine distance, as the index of vectors of this length reckons it."""
    length = len(vector.values)
    kind = COLUMN(length) if length <= _MOST_EXACT else HALFVEC(length)
    distance: ColumnElement[float] = cast(memories.c.vector, kind).cosine_distance(vector.values)
    return distance


def index_of(dimensions: int) -> tuple[str, str]:
    """Name and definition of the index that `distance_to` can use for vectors of this length."""
    kind, ops = ("vector", "vector_cosine_ops") if dimensions <= _MOST_EXACT else ("halfvec", "halfvec_cosine_ops")
    name = f"ix_memories_vector_{dimensions}"
    return name, (
        f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON memories USING hnsw ((vector::{kind}({dimensions})) {ops})"
        f" WITH (m = 16, ef_construction = 128) WHERE dimensions = {dimensions}"
    )


def _comparable(vector: Vector) -> list[ColumnElement[bool]]:
    """The embedder's own vectors only: others of the same length mean something else."""
    length: ColumnElement[int] = literal_column(str(len(vector.values)))
    return [memories.c.dimensions == length, memories.c.embedder == vector.embedder]


def _filters(query: Query) -> list[ColumnElement[bool]]:
    own: list[ColumnElement[bool]] = []
    if query.namespaces is not None:
        own.append(memories.c.namespace.in_(list(query.namespaces)))
    if query.tags:
        own.append(memories.c.tags.contains(cast(list(query.tags), ARRAY(Text))))
    if query.category:
        own.append(memories.c.category == query.category)
    if query.after is not None:
        own.append(memories.c.created_at >= query.after)
    if query.before is not None:
        own.append(memories.c.created_at < query.before)
    return own


def _by_meaning(vector: Vector, own: list[ColumnElement[bool]]) -> Select[Any]:
    distance = distance_to(vector)
    chosen = select(memories.c.id, distance.label("distance")).where(*own, *_comparable(vector))
    return chosen.order_by(distance)


def _by_words(query: str, own: list[ColumnElement[bool]]) -> Select[Any]:
    """Any of the words is enough; the rank counts how many. Postgres' parser makes them, so no text is bad syntax."""
    every = func.plainto_tsquery("english", query[:_LONGEST_WORDS])
    some = cast(func.replace(cast(every, Text), "&", "|"), TSQUERY)
    # 1: divided by the logarithm of the length, so that long notes do not win by length alone.
    distance = -func.ts_rank(memories.c.words, some, 1)
    chosen = select(memories.c.id, distance.label("distance")).where(*own, memories.c.words.bool_op("@@")(some))
    return chosen.order_by(distance, memories.c.id)


def _ranked(name: str, found: Select[Any]) -> CTE:
    """The finds with their rank, in true order: a relaxed index scan only comes close to it."""
    finds = found.cte(f"{name}_found")
    # + 0: else Postgres takes the scan's word for the order, and sorts nothing.
    rank = func.row_number().over(order_by=(finds.c.distance + 0, finds.c.id))
    return select(finds.c.id, rank.label("rank")).cte(name)


def _fused(near: CTE, worded: CTE, query: Query) -> Select[Any]:
    both = near.join(worded, near.c.id == worded.c.id, full=True)
    score = func.coalesce(1.0 / (_FUSION + near.c.rank), 0) + func.coalesce(1.0 / (_FUSION + worded.c.rank), 0)
    fused = (
        select(func.coalesce(near.c.id, worded.c.id).label("id"), score.label("score")).select_from(both).cte("fused")
    )
    # Reckoned only where it can be: a cast to another length raises.
    similarity = case((func.coalesce(_all(_comparable(query.vector)), False), 1 - distance_to(query.vector)))
    chosen = (
        select(*notes.TOLD, fused.c.score, similarity.label("similarity"))
        .join(fused, fused.c.id == memories.c.id)
        .order_by(fused.c.score.desc(), memories.c.created_at.desc(), memories.c.id)
    )
    return chosen.where(similarity >= query.threshold) if query.threshold > -1 else chosen


def _all(conditions: list[ColumnElement[bool]]) -> ColumnElement[bool]:
    first, *rest = conditions
    for other in rest:
        first = first & other
    return first
