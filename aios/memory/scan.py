"""How a search scans: whether all notes that may be found are compared or the index is walked, and which words are looked for.

An HNSW index knows no filters: it goes on until enough of its finds pass. The smaller the share of notes that do, the longer
that takes, and at some number comparing all of them is quicker, and exact. Postgres' planner takes a comparison of 384 numbers
to cost as much as one of two, so it is not asked: what passes is counted, up to that number.

Full text ranks every note that has one of the words, and knows no rare and common ones. Words that statistics show to be in
many notes say little and cost most: the rarest are looked for, as many as leave a bounded number of notes to rank.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import text

from aios.db.hot import Hot

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aios.db.session import Transaction

FILTERS: Final = {
    "namespaces": "namespace = ANY(:namespaces)",
    "tags": "tags @> CAST(:tags AS text[])",
    "category": "category = :category",
    "after": "created_at >= :after",
    "before": "created_at < :before",
}
"""What a search may choose notes by."""

EXACT_FACTOR: Final = 16.0
"""Measured: so many times the root of all notes are compared one by one as fast as the index finds them."""

MOST_RANKED: Final = 1_200
"""Notes that are ranked by their words. Measured: to rank ten thousand takes longer than all else."""

_LONGEST_WORDS: Final = 2_000  # characters of a query that full text looks at
_MOST_SCANNED: Final = 200_000
_EF_SEARCH: Final = 100  # measured: `aios bench memory`


class Way(NamedTuple):
    """How a search goes.

    Attributes:
        exact: all notes that pass the filters are compared; else the index is walked.
        words: those of the query's that are looked for, in the language of full text.
    """

    exact: bool
    words: str


def prepare(tx: Transaction, chosen: Mapping[str, Any], *, query: str = "") -> Way:
    """Choose the way of a search, and tell Postgres for this transaction what its planner cannot know.

    Args:
        tx: the transaction that searches.
        chosen: the filters, and what they compare with.
        query: whose words are looked for.
    """
    values = {"factor": EXACT_FACTOR, "asked": query[:_LONGEST_WORDS], "ranked": MOST_RANKED}
    (row,) = _preparing(tuple(chosen)).all(tx, {**chosen, **values})
    return Way(row["exact"], row["words"])


def passing(filters: tuple[str, ...]) -> str:
    """The condition under which a note may be found."""
    return " AND ".join(["true", *(FILTERS[name] for name in filters)])


@lru_cache(maxsize=64)
def _preparing(filters: tuple[str, ...]) -> Hot:
    # Where the index shall be walked nothing may be sorted.
    return Hot(
        text(
            f"""
            WITH every AS (SELECT greatest(reltuples, 1) AS rows FROM pg_class WHERE oid = 'memories'::regclass
            ), few AS (SELECT CAST(:factor * sqrt(rows) AS int) AS rows FROM every
            ), own AS (
                SELECT count(*) AS rows FROM (
                    SELECT 1 FROM memories WHERE {passing(filters)} LIMIT (SELECT rows + 1 FROM few)) AS counted
            ), known AS MATERIALIZED (
                SELECT CAST(CAST(most_common_elems AS text) AS text[]) AS words, most_common_elem_freqs AS shares
                FROM pg_stats WHERE schemaname = current_schema() AND tablename = 'memories' AND attname = 'words'
            ), asked AS (
                SELECT word, COALESCE((SELECT shares[array_position(words, word)] FROM known), 0) AS share
                FROM unnest(tsvector_to_array(to_tsvector('english', :asked))) AS word
            ), rarest AS (
                SELECT word, sum(share) OVER rising AS share, row_number() OVER rising AS place
                FROM asked WINDOW rising AS (ORDER BY share, word)
            )
            SELECT set_config('hnsw.iterative_scan', 'relaxed_order', true),
                   set_config('hnsw.max_scan_tuples', '{_MOST_SCANNED}', true),
                   set_config('hnsw.ef_search', '{_EF_SEARCH}', true),
                   set_config('plan_cache_mode', 'force_custom_plan', true),
                   set_config('enable_sort', CASE WHEN own.rows > few.rows THEN 'off' ELSE 'on' END, true),
                   own.rows <= few.rows AS exact,
                   (SELECT COALESCE(string_agg(CAST(array_to_tsvector(ARRAY[word]) AS text), ' | '), '')
                    FROM rarest, every WHERE place = 1 OR share * rows <= :ranked) AS words
            FROM few, own
            """  # noqa: S608  # constants and fragments of ours; values are bound
        )
    )
