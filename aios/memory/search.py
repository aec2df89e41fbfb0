"""Search: the nearest by meaning (pgvector) and by words (full text), fused by rank.

The statements are text, made once per kind of query: building them anew took longer than Postgres took to answer.

Source: Cormack, Clarke and Buettcher, "Reciprocal Rank Fusion outperforms Condorcet", 2009: sum of 1 / (constant + rank).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from aios.db.hot import Hot
from aios.memory import notes, scan

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from aios.db.session import Transaction
    from aios.kernel.values import JsonObject
    from aios.memory.notes import Vector

# What both rankings have at a rank below this + 2 stands before the best of either. The 60 of the paper is for lists of a
# thousand; with lists of twenty, whatever shares a common word with the query would stand before what is nearest in meaning.
_FUSION: Final = 5
_FEWEST_CANDIDATES: Final = 20
_CANDIDATES_PER_RESULT: Final = 2
_MOST_EXACT: Final = 2_000  # dimensions that pgvector indexes in full precision


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
    chosen = _chosen(query)
    way = scan.prepare(tx, chosen, query=query.text)
    values = {
        **chosen,
        "vector": _written(query.vector),
        "embedder": query.vector.embedder,
        "words": way.words,
        "candidates": max(_FEWEST_CANDIDATES, _CANDIDATES_PER_RESULT * query.k),
        "threshold": query.threshold,
        "k": query.k,
    }
    rows = _fused(len(query.vector.values), tuple(chosen), exact=way.exact).all(tx, values)
    if count:
        notes.count_reads(tx, [row["id"] for row in rows])
    return [{**notes.told(row), "score": float(row["score"]), "similarity": row["similarity"]} for row in rows]


def nearest(tx: Transaction, vector: Vector, *, namespace: str, k: int, but: Sequence[Any]) -> list[JsonObject]:
    """The k notes nearest in meaning alone, without some of them, each with its `similarity`."""
    way = scan.prepare(tx, {"namespaces": [namespace]})
    values = {
        "namespaces": [namespace],
        "but": list(but),
        "vector": _written(vector),
        "embedder": vector.embedder,
        "k": k,
    }
    rows = _nearest(len(vector.values), exact=way.exact).all(tx, values)
    return [{**notes.told(row), "similarity": float(row["similarity"])} for row in rows]


def index_of(dimensions: int) -> tuple[str, str]:
    """Name and definition of the index that searches with vectors of this length can use."""
    kind = _kind(dimensions)
    name = f"ix_memories_vector_{dimensions}"
    return name, (
        f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON memories"
        f" USING hnsw ((vector::{kind}({dimensions})) {kind}_cosine_ops)"
        f" WITH (m = 16, ef_construction = 128) WHERE dimensions = {dimensions}"
    )


def _chosen(query: Query) -> dict[str, Any]:
    """The filters that a query has, and what they compare with."""
    given = {name: value for name in scan.FILTERS if (value := getattr(query, name)) or name == "namespaces"}
    if query.namespaces is None:
        del given["namespaces"]
    return {name: list(value) if name in {"namespaces", "tags"} else value for name, value in given.items()}


def _kind(dimensions: int) -> str:
    return "vector" if dimensions <= _MOST_EXACT else "halfvec"


def _written(vector: Vector) -> str:
    return f"[{','.join(f'{value:.8g}' for value in vector.values)}]"


def _distance(dimensions: int) -> str:
    """The cosine distance, as the index of vectors of this length reckons it."""
    kind = f"{_kind(dimensions)}({dimensions})"
    return f"CAST(vector AS {kind}) <=> CAST(:vector AS {kind})"


def _comparable(dimensions: int) -> str:
    """The embedder's own vectors only: others of the same length mean something else."""
    return f"dimensions = {dimensions} AND embedder = :embedder"


@lru_cache(maxsize=64)
def _nearest(dimensions: int, *, exact: bool) -> Hot:
    distance, told = _distance(dimensions), ", ".join(column.name for column in notes.TOLD)
    return Hot(
        text(
            f"""
            WITH near AS (
                SELECT id, {distance} AS distance FROM memories
                WHERE {scan.FILTERS["namespaces"]} AND NOT id = ANY(CAST(:but AS uuid[])) AND {_comparable(dimensions)}
                ORDER BY ({distance}){_UNINDEXED if exact else ""} LIMIT :k
            )
            SELECT {told}, 1 - distance AS similarity FROM near JOIN memories USING (id) ORDER BY distance + 0, id
            """  # noqa: S608  # fragments of ours; values are bound
        )
    )


# Any of the words is enough; the rank counts how many. It is divided by the logarithm of the length (1), so that long notes do
# not win by length alone.
_WORDS: Final = "CAST(:words AS tsquery)"

_UNINDEXED: Final = " + 0"  # no index is on that expression


@lru_cache(maxsize=64)
def _fused(dimensions: int, filters: tuple[str, ...], *, exact: bool) -> Hot:
    distance, comparable, own = _distance(dimensions), _comparable(dimensions), scan.passing(filters)
    told = ", ".join(column.name for column in notes.TOLD)
    # Notes with equally good words share the last of their ranks: a word that many have says little about each.
    # distance + 0: a relaxed index scan only comes close to the true order; else Postgres takes its word and sorts nothing.
    # The similarity is reckoned only where it can be: a cast to another length raises.
    return Hot(
        text(
            f"""
            WITH near_found AS (
                SELECT id, {distance} AS distance FROM memories WHERE {own} AND {comparable}
                ORDER BY ({distance}){_UNINDEXED if exact else ""} LIMIT :candidates
            ), near AS (
                SELECT id, row_number() OVER (ORDER BY distance + 0, id) AS rank FROM near_found
            ), worded_found AS (
                SELECT id, -ts_rank(words, {_WORDS}, 1) AS distance FROM memories WHERE {own} AND words @@ {_WORDS}
                ORDER BY distance, id LIMIT :candidates
            ), worded AS (
                SELECT id, count(*) OVER (ORDER BY distance) AS rank FROM worded_found
            ), fused AS (
                SELECT COALESCE(near.id, worded.id) AS id,
                       COALESCE(1.0 / ({_FUSION} + near.rank), 0) + COALESCE(1.0 / ({_FUSION} + worded.rank), 0) AS score
                FROM near FULL JOIN worded ON near.id = worded.id
            ), found AS (
                SELECT {told}, score, CASE WHEN {comparable} THEN 1 - ({distance}) END AS similarity
                FROM fused JOIN memories USING (id)
            )
            SELECT * FROM found WHERE :threshold <= -1 OR similarity >= :threshold
            ORDER BY score DESC, created_at DESC, id LIMIT :k
            """  # noqa: S608  # fragments of ours; values are bound
        )
    )
