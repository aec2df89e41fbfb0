"""Re-embedding: notes of another embedder get vectors of this one, batch by batch, while agents go on.

Until a note's turn comes, it is found by its words alone. What a stopped run has done stays done: the rows tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from pgvector.sqlalchemy import Vector
from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

from aios.memory.search import index_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aios.db.session import Database, Transaction
    from aios.kernel.ports import Embedder

BATCH: Final = 64

_PENDING: Final = text("SELECT count(*) FROM memories WHERE embedder <> :name OR vector IS NULL")

_NEXT: Final = text(
    """
    SELECT id, content FROM memories
    WHERE (embedder <> :name OR vector IS NULL) AND (CAST(:after AS uuid) IS NULL OR id > :after)
    ORDER BY id LIMIT :batch
    """
).bindparams(bindparam("after", type_=PG_UUID))

# A note that changed meanwhile has a vector of its new text already.
_WRITE: Final = text(
    "UPDATE memories SET vector = :vector, dimensions = :dimensions, embedder = :name WHERE id = :id AND content = :content"
).bindparams(bindparam("vector", type_=Vector()))

_IS_VALID: Final = text(
    "SELECT i.indisvalid FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid WHERE c.relname = :name"
)


class Progress(NamedTuple):
    """How far a re-embedding came: notes done, and how many there were to do."""

    done: int
    of: int


def pending(tx: Transaction, embedder: str) -> int:
    """How many notes have no vector of this embedder."""
    return int(tx.execute(_PENDING, {"name": embedder}).scalar_one())


def reindex(database: Database, embedder: Embedder, *, batch: int = BATCH) -> Iterator[Progress]:
    """Give every note a vector of this embedder, and these vectors an index; tells after each batch how far it is."""
    name = embedder.name
    _make_index(database, embedder.dimensions)
    with database.statement() as tx:
        of = pending(tx, name)
    done, after = 0, None
    yield Progress(done, of)
    while True:
        with database.statement() as tx:
            rows = tx.execute(_NEXT, {"name": name, "after": after, "batch": batch}).all()
        if not rows:
            return
        vectors = embedder.embed([row.content for row in rows])
        values = [
            {"id": row.id, "content": row.content, "name": name, "vector": vector, "dimensions": len(vector)}
            for row, vector in zip(rows, vectors, strict=True)
        ]
        with database.transaction() as tx:
            tx.execute(_WRITE, values)
        after = rows[-1].id
        done += len(rows)
        yield Progress(done, max(of, done))


def _make_index(database: Database, dimensions: int) -> None:
    """The index for vectors of this length; making one takes no lock that writers wait for."""
    name, definition = index_of(dimensions)
    with database.statement() as tx:
        valid = tx.execute(_IS_VALID, {"name": name}).scalar()
        if valid:
            return
        tx.exec_driver_sql("SET statement_timeout = 0")
        try:
            if valid is False:  # whoever was making it was stopped
                tx.exec_driver_sql(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            tx.exec_driver_sql(definition)
        finally:
            tx.exec_driver_sql("RESET statement_timeout")
