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
from aios.memory import notes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from aios.db.session import Transaction
    from aios.kernel.values import JsonObject
    from aios.memory.notes import Vector

# What both rankings have at a rank below this + 2 stands before the best of either. The 60 of the paper is for lists of a
# thousand; with lists of forty, whatever shares a common word with the query would stand before what is nearest in meaning.
_FUSION: Final = 5
_FEWEST_CANDIDATES: Final = 40
_CANDIDATES_PER_RESULT: Final = 3
_LONGEST_WORDS: Final = 2_000  # characters of a query that full text looks at
_MOST_SCANNED: Final = 200_000
_EF_SEARCH: Final = 100  # measured: `aios bench memory`
_MOST_EXACT: Final = 2_000  # dimensions that pgvector indexes in full precision

EXACT_FACTOR: Final = 8.0
"""Measured: so many times the root of all notes are compared as fast as the index finds them."""

_MOST_RANKED: Final = 2_000  # measured: ranking ten thousand notes by their words takes longer than all else

# Two things that the planner cannot tell are told to it.
#
# An HNSW index knows no namespaces: it goes on until enough of its finds pass the filter. The smaller a namespace's share
# of all notes, the longer that takes, and at some size comparing all of them is quicker, and exact; to the planner a
# comparison of 384 numbers costs as much as one of two. So above that size it may not sort.
#
# Full text ranks every note that has one of the words, and knows no rare and common ones. Words that statistics show to be
# in many notes say little and cost most: the rarest are looked for, as many as leave a bounded number of notes to rank.
_PREPARE: Final = Hot(
    text(
        f"""
    WITH every AS (SELECT greatest(reltuples, 1) AS rows FROM pg_class WHERE oid = 'memories'::regclass
    ), few AS (SELECT CAST(:factor * sqrt(rows) AS int) AS rows FROM every
    ), own AS (
        SELECT count(*) AS rows FROM (
            SELECT 1 FROM memories WHERE namespace = ANY(:namespaces) LIMIT (SELECT rows + 1 FROM few)) AS counted
    ), known AS MATERIALIZED (
        SELECT CAST(CAST(most_common_elems AS text) AS text[]) AS words, most_common_elem_freqs AS shares FROM pg_stats
        WHERE schemaname = current_schema() AND tablename = 'memories' AND attname = 'words'
    ), asked AS (
        SELECT word, COALESCE((SELECT shares[array_position(words, word)] FROM known), 0) AS share
        FROM unnest(tsvector_to_array(to_tsvector('english', :words))) AS word
    ), rarest AS (
        SELECT word, sum(share) OVER rising AS share, row_number() OVER rising AS place
        FROM asked WINDOW rising AS (ORDER BY share, word)
    )
    SELECT set_config('hnsw.iterative_scan', 'relaxed_order', true),
           set_config('hnsw.max_scan_tuples', '{_MOST_SCANNED}', true), set_config('hnsw.ef_search', '{_EF_SEARCH}', true),
           set_config('plan_cache_mode', 'force_custom_plan', true),
           set_config('enable_sort', CASE WHEN own.rows > few.rows THEN 'off' ELSE 'on' END, true),
           (SELECT COALESCE(string_agg(CAST(array_to_tsvector(ARRAY[word]) AS text), ' | '), '')
            FROM rarest, every WHERE place = 1 OR share * rows <= :ranked) AS words
    FROM few, own
    """  # noqa: S608  # constants of ours; values are bound
    )
)

_FILTERS: Final = {
    "namespaces": "namespace = ANY(:namespaces)",
    "tags": "tags @> CAST(:tags AS text[])",
    "category": "category = :category",
    "after": "created_at >= :after",
    "before": "created_at < :before",
}


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
    given = {name: value for name in _FILTERS if (value := getattr(query, name)) or name == "namespaces"}
    if query.namespaces is None:
        del given["namespaces"]
    words = _prepare(tx, list(given["namespaces"]) if set(given) == {"namespaces"} else [], query=query.text)
    values = {
        **{name: list(value) if name in {"namespaces", "tags"} else value for name, value in given.items()},
        "vector": _written(query.vector),
        "embedder": query.vector.embedder,
        "words": words,
        "candidates": max(_FEWEST_CANDIDATES, _CANDIDATES_PER_RESULT * query.k),
        "threshold": query.threshold,
        "k": query.k,
    }
    rows = _fused(len(query.vector.values), tuple(given)).all(tx, values)
    if count:
        notes.count_reads(tx, [row["id"] for row in rows])
    return [{**notes.told(row), "score": float(row["score"]), "similarity": row["similarity"]} for row in rows]


def nearest(tx: Transaction, vector: Vector, *, namespace: str, k: int, but: Sequence[Any]) -> list[JsonObject]:
    """The k notes nearest in meaning alone, without some of them, each with its `similarity`."""
    _prepare(tx, [namespace])
    values = {
        "namespace": namespace,
        "but": list(but),
        "vector": _written(vector),
        "embedder": vector.embedder,
        "k": k,
    }
    rows = _nearest(len(vector.values)).all(tx, values)
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


def _prepare(tx: Transaction, namespaces: Sequence[str], *, query: str = "") -> str:
    """Tell Postgres how to look for the nearest, for this transaction; where nothing is known, it decides.

    Gives those words of the query that are looked for, in the language of full text.
    """
    row = _PREPARE.first(
        tx,
        {
            "factor": EXACT_FACTOR,
            "namespaces": list(namespaces),
            "words": query[:_LONGEST_WORDS],
            "ranked": _MOST_RANKED,
        },
    )
    return str(row["words"]) if row else ""


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
def _nearest(dimensions: int) -> Hot:
    distance, told = _distance(dimensions), ", ".join(column.name for column in notes.TOLD)
    return Hot(
        text(
            f"""
            WITH near AS (
                SELECT id, {distance} AS distance FROM memories
                WHERE namespace = :namespace AND NOT id = ANY(CAST(:but AS uuid[])) AND {_comparable(dimensions)}
                ORDER BY {distance} LIMIT :k
            )
            SELECT {told}, 1 - distance AS similarity FROM near JOIN memories USING (id) ORDER BY distance + 0, id
            """  # noqa: S608  # fragments of ours; values are bound
        )
    )


# Any of the words is enough; the rank counts how many. It is divided by the logarithm of the length (1), so that long notes do
# not win by length alone.
_WORDS: Final = "CAST(:words AS tsquery)"


@lru_cache(maxsize=64)
def _fused(dimensions: int, filters: tuple[str, ...]) -> Hot:
    distance, comparable = _distance(dimensions), _comparable(dimensions)
    own = " AND ".join(["true", *(_FILTERS[name] for name in filters)])
    told = ", ".join(column.name for column in notes.TOLD)
    # Notes with equally good words share the last of their ranks: a word that many have says little about each.
    # distance + 0: a relaxed index scan only comes close to the true order; else Postgres takes its word and sorts nothing.
    # The similarity is reckoned only where it can be: a cast to another length raises.
    return Hot(
        text(
            f"""
            WITH near_found AS (
                SELECT id, {distance} AS distance FROM memories WHERE {own} AND {comparable}
                ORDER BY {distance} LIMIT :candidates
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
