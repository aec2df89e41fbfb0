"""Search over many notes: time and recall against exact search, on a real Postgres with pgvector.

Vectors are clustered, as those of texts are: topics of different sizes, notes round them, queries near notes. Texts are
words by Zipf's law, with the query's words taken from a note, so that full text has its share of the work. Namespaces are
as large as is hard: half of all notes; a little less and a little more than are compared one by one; and small ones.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np
from pgvector.psycopg import register_vector

from aios.db.tables import EMBEDDING_DIMENSIONS
from aios.kernel.ids import new_id
from aios.memory.notes import Vector
from aios.memory.scan import EXACT_FACTOR
from aios.memory.search import Query, index_of, nearest, search

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aios.db.session import Database
    from aios.kernel.values import JsonObject

EMBEDDER = "bench"
K = 10
_VOCABULARY = 20_000
_STOPPED = 50
_INNER = 32  # dimensions in which notes of a topic differ
_NOTE_WORDS, _QUERY_WORDS = 25, 6
_TAG, _TAGGED = "rare", 0.02
_BUILD_MEMORY = "512MB"
_PLACES = {  # by the part of the notes that are compared one by one, where a namespace is about as large as that
    "half of all notes": None,
    "the largest that is compared one by one": 0.95,
    "the smallest that is not": 1.1,
}


@dataclass(frozen=True)
class Corpus:
    """Notes, and queries about some of them."""

    vectors: Any
    texts: list[str]
    queries: Any
    asked: list[str]
    namespaces: list[str]
    tagged: Any

    @classmethod
    def of(cls, notes: int, *, queries: int, owners: int, seed: int) -> Corpus:
        """Clustered notes of so many namespaces; those of `_PLACES` come first."""
        chance = np.random.default_rng(seed)
        axes = np.linalg.qr(chance.normal(size=(EMBEDDING_DIMENSIONS, _INNER)))[
            0
        ].T  # what texts differ in is less than all
        topics = _unit(chance.normal(size=(max(20, notes // 250), EMBEDDING_DIMENSIONS)))
        sizes = chance.pareto(1.5, len(topics)) + 0.1
        spread = 0.7 / np.sqrt(_INNER)
        which = chance.choice(len(topics), notes, p=sizes / sizes.sum())
        vectors = _unit(topics[which] + spread * chance.normal(size=(notes, _INNER)) @ axes)
        weights = 1 / (np.arange(_VOCABULARY) + _STOPPED)  # the commonest words of a language are no words to Postgres
        words = chance.choice(_VOCABULARY, (notes, _NOTE_WORDS), p=weights / weights.sum())
        texts = [" ".join(f"w{word}" for word in row) for row in words]
        about = chance.choice(notes, queries, replace=False)
        asked = [" ".join(chance.choice(texts[note].split(), _QUERY_WORDS)) for note in about]
        near = _unit(vectors[about] + spread * chance.normal(size=(queries, _INNER)) @ axes)
        owner = chance.choice(owners, notes, p=_shares(notes, owners))
        places = [f"group/{number}" for number in owner]
        return cls(vectors.astype(np.float32), texts, near, asked, places, chance.random(notes) < _TAGGED)


def _shares(notes: int, owners: int) -> Any:
    """Each namespace's part of the notes."""
    edge = EXACT_FACTOR / np.sqrt(notes)
    large = [0.5 if part is None else part * edge for part in _PLACES.values()]
    return np.array([*large, *[(1 - sum(large)) / (owners - len(large))] * (owners - len(large))])


def load(database: Database, corpus: Corpus) -> float:
    """Store the notes; gives the seconds that this and the index took."""
    begun = time.monotonic()
    with database.transaction() as tx:
        tx.exec_driver_sql("SET LOCAL statement_timeout = 0")
        tx.exec_driver_sql(f"SET LOCAL maintenance_work_mem = '{_BUILD_MEMORY}'")
        indexes = [
            (name, tx.exec_driver_sql(f"SELECT pg_get_indexdef('{name}'::regclass)").scalar_one())
            for name in ("ix_memories_words", "ix_memories_vector_384")
        ]
        for name, _ in indexes:
            tx.exec_driver_sql(f"DROP INDEX {name}")
        raw: Any = tx.connection.dbapi_connection
        register_vector(raw)
        columns = "id, namespace, content, embedder, dimensions, vector, tags"
        with raw.cursor() as cursor, cursor.copy(f"COPY memories ({columns}) FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(["uuid", "text", "text", "text", "int4", "vector", "text[]"])
            rows = zip(corpus.vectors, corpus.texts, corpus.namespaces, corpus.tagged, strict=True)
            for vector, text, place, tagged in rows:
                copy.write_row((new_id(), place, text, EMBEDDER, EMBEDDING_DIMENSIONS, vector, [_TAG] * bool(tagged)))
        for _, definition in indexes:
            tx.exec_driver_sql(definition)
    with database.statement() as tx:
        tx.exec_driver_sql("SET statement_timeout = 0")
        tx.exec_driver_sql("VACUUM ANALYZE memories")
    return time.monotonic() - begun


def index(database: Database) -> JsonObject:
    """How the index was built, and what it takes."""
    name, definition = index_of(EMBEDDING_DIMENSIONS)
    asked = f"""
        SELECT pg_relation_size('{name}'), pg_total_relation_size('memories'), current_setting('shared_buffers'),
               current_setting('max_parallel_maintenance_workers')
    """
    with database.statement() as tx:
        index_bytes, table_bytes, buffers, workers = tx.exec_driver_sql(asked).one()
    return {
        "with": definition.partition("WITH (")[2].partition(")")[0],
        "maintenance_work_mem": _BUILD_MEMORY,
        "parallel_workers": int(workers),
        "shared_buffers": buffers,
        "index_mb": round(index_bytes / 1e6),
        "all_mb": round(table_bytes / 1e6),
    }


def measure(database: Database, corpus: Corpus) -> JsonObject:
    """Times of whole searches, and recall of their vector part, in namespaces of several sizes, with a filter, and in all."""
    with database.statement() as tx:
        rows = tx.exec_driver_sql("SELECT content, namespace, id FROM memories").all()
    by_text = {(row.content, row.namespace): row.id for row in rows}
    ids = [by_text[text, place] for text, place in zip(corpus.texts, corpus.namespaces, strict=True)]
    places = {name: f"group/{number}" for number, name in enumerate(_PLACES)}
    small = f"group/{len(_PLACES)}"
    found = {name: _scope(database, corpus, ids, place) for name, place in {**places, "a small one": small}.items()}
    found[f"half of all notes, by a tag of {_TAGGED:.0%}"] = _whole(database, corpus, "group/0", tags=(_TAG,))
    found["everywhere"] = _whole(database, corpus, None)
    return found


def _whole(database: Database, corpus: Corpus, place: str | None, *, tags: Sequence[str] = ()) -> JsonObject:
    """Times alone, where more than the namespace chooses the notes, or nothing does."""
    own = np.array([(place is None or name == place) for name in corpus.namespaces])
    own &= corpus.tagged if tags else True
    return {"notes": int(own.sum()), "search_ms": _timed(database, _queries(corpus, place, tags=tags), search)}


def _queries(corpus: Corpus, place: str | None, *, tags: Sequence[str] = ()) -> list[Query]:
    places = None if place is None else [place]
    return [
        Query(text, Vector(EMBEDDER, vector.tolist()), K, places, tags=tags)
        for text, vector in zip(corpus.asked, corpus.queries, strict=True)
    ]


def _scope(database: Database, corpus: Corpus, ids: Sequence[UUID], place: str) -> JsonObject:
    own = np.array([name == place for name in corpus.namespaces])
    exact = _exact(corpus, own, ids)
    kept = _queries(corpus, place)
    hits = 0
    with database.transaction() as tx:
        for query, right in zip(kept, exact, strict=True):
            found = nearest(tx, query.vector, namespace=place, k=K, but=[])
            hits += len({UUID(note["id"]) for note in found} & right)
    whole = _timed(database, kept, search)
    meaning = _timed(database, kept, lambda tx, q: nearest(tx, q.vector, namespace=place, k=K, but=[]))
    return {
        "notes": int(own.sum()),
        "recall_at_10": round(hits / sum(map(len, exact)), 4),
        "search_ms": whole,
        "by_meaning_ms": meaning,
    }


def _timed(database: Database, queries: Sequence[Query], ask: Callable[[Any, Query], object]) -> JsonObject:
    took = []
    for query in queries:
        begun = time.perf_counter()
        with database.transaction() as tx:
            ask(tx, query)
        took.append(1000 * (time.perf_counter() - begun))
    cuts = statistics.quantiles(took, n=100)
    return {"p50": round(cuts[49], 2), "p95": round(cuts[94], 2), "p99": round(cuts[98], 2)}


def _exact(corpus: Corpus, own: Any, ids: Sequence[UUID]) -> list[set[UUID]]:
    """The true nearest, by comparing with all."""
    places = np.flatnonzero(own)
    likeness = corpus.queries @ corpus.vectors[places].T
    best = np.argsort(-likeness, axis=1)[:, :K]
    return [{ids[places[at]] for at in row} for row in best]


def _unit(rows: Any) -> Any:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
