"""Search over many notes: time and recall against exact search, on a real Postgres with pgvector.

Vectors are clustered, as those of texts are: topics of different sizes, notes round them, queries near notes. Texts are
words by Zipf's law, with the query's words taken from a note, so that full text has its share of the work.
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
from aios.memory.search import Query, nearest, search

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


@dataclass(frozen=True)
class Corpus:
    """Notes, and queries about some of them."""

    vectors: Any
    texts: list[str]
    queries: Any
    asked: list[str]
    namespaces: list[str]

    @classmethod
    def of(cls, notes: int, *, queries: int, owners: int, seed: int) -> Corpus:
        """Clustered notes of so many namespaces: the first one has half of all."""
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
        owner = np.where(chance.random(notes) < 0.5, 0, chance.integers(1, max(2, owners), notes))
        return cls(vectors.astype(np.float32), texts, near, asked, [f"group/{number}" for number in owner])


def load(database: Database, corpus: Corpus) -> float:
    """Store the notes; gives the seconds that this and the index took."""
    begun = time.monotonic()
    with database.transaction() as tx:
        tx.exec_driver_sql("SET LOCAL statement_timeout = 0")
        tx.exec_driver_sql("SET LOCAL maintenance_work_mem = '512MB'")
        indexes = [
            (name, tx.exec_driver_sql(f"SELECT pg_get_indexdef('{name}'::regclass)").scalar_one())
            for name in ("ix_memories_words", "ix_memories_vector_384")
        ]
        for name, _ in indexes:
            tx.exec_driver_sql(f"DROP INDEX {name}")
        raw: Any = tx.connection.dbapi_connection
        register_vector(raw)
        columns = "id, namespace, content, embedder, dimensions, vector"
        with raw.cursor() as cursor, cursor.copy(f"COPY memories ({columns}) FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(["uuid", "text", "text", "text", "int4", "vector"])
            for vector, text, place in zip(corpus.vectors, corpus.texts, corpus.namespaces, strict=True):
                copy.write_row((new_id(), place, text, EMBEDDER, EMBEDDING_DIMENSIONS, vector))
        for _, definition in indexes:
            tx.exec_driver_sql(definition)
    with database.statement() as tx:
        tx.exec_driver_sql("SET statement_timeout = 0")
        tx.exec_driver_sql("VACUUM ANALYZE memories")
    return time.monotonic() - begun


def measure(database: Database, corpus: Corpus) -> JsonObject:
    """Times of whole searches, and recall of their vector part, in all namespaces' notes, in the largest, in a small one."""
    with database.statement() as tx:
        rows = tx.exec_driver_sql("SELECT content, namespace, id FROM memories").all()
    by_text = {(row.content, row.namespace): row.id for row in rows}
    ids = [by_text[text, place] for text, place in zip(corpus.texts, corpus.namespaces, strict=True)]
    small = min(set(corpus.namespaces), key=lambda name: (corpus.namespaces.count(name), name))
    return {
        name: _scope(database, corpus, ids, place)
        for name, place in (("largest namespace", "group/0"), ("small namespace", small))
    }


def _scope(database: Database, corpus: Corpus, ids: Sequence[UUID], place: str) -> JsonObject:
    own = np.array([name == place for name in corpus.namespaces])
    exact = _exact(corpus, own, ids)
    kept = [Query(text, Vector(EMBEDDER, vector.tolist()), K, [place]) for text, vector in _asked(corpus)]
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


def _asked(corpus: Corpus) -> list[tuple[str, Any]]:
    return list(zip(corpus.asked, corpus.queries, strict=True))


def _exact(corpus: Corpus, own: Any, ids: Sequence[UUID]) -> list[set[UUID]]:
    """The true nearest, by comparing with all."""
    places = np.flatnonzero(own)
    likeness = corpus.queries @ corpus.vectors[places].T
    best = np.argsort(-likeness, axis=1)[:, :K]
    return [{ids[places[at]] for at in row} for row in best]


def _unit(rows: Any) -> Any:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
