"""The statements of notes: each names its namespace, and runs in a transaction that somebody else will commit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete as delete_from
from sqlalchemy import func, insert, select, text, update
from sqlalchemy.dialects import postgresql

from aios.db.agents import owning
from aios.db.hot import Hot
from aios.db.tables import memories, memory_history, memory_links, memory_reads
from aios.memory.namespace import owner_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from sqlalchemy import ColumnElement

    from aios.db.session import Transaction
    from aios.kernel.values import JsonObject

TOLD: Final = (
    memories.c.id,
    memories.c.namespace,
    memories.c.content,
    memories.c.tags,
    memories.c.keywords,
    memories.c.category,
    memories.c.context,
    memories.c.metadata,
    memories.c.version,
    memories.c.created_at,
    memories.c.updated_at,
)
"""The columns that a note is told with."""

_KEPT: Final = ("content", "tags", "keywords", "category", "context", "metadata", "analysis")  # what history remembers

# Locked, so that none of them is removed before its count is there.
_COUNT_READS: Final = Hot(
    text(
        """
    INSERT INTO memory_reads (memory_id, reads)
    SELECT id, 1 FROM (SELECT id FROM memories WHERE id = ANY(:ids) ORDER BY id FOR KEY SHARE) AS found
    ON CONFLICT (memory_id) DO UPDATE SET reads = memory_reads.reads + 1, read_at = clock_timestamp()
    RETURNING 1
    """
    )
)

_RELATED: Final = text(
    """
    WITH RECURSIVE walk (id, depth) AS (
        SELECT CAST(:id AS uuid), 0
        UNION
        SELECT l.other_id, walk.depth + 1 FROM walk JOIN memory_links l ON l.memory_id = walk.id WHERE walk.depth < :depth
    ), nearest AS (SELECT id, min(depth) AS depth FROM walk WHERE depth > 0 GROUP BY id)
    SELECT n.id, n.depth FROM nearest n JOIN memories m ON m.id = n.id
    WHERE m.namespace = :namespace AND n.id <> :id ORDER BY n.depth, n.id LIMIT :k
    """
)


@dataclass(frozen=True)
class Vector:
    """An embedding and whose it is: vectors of different embedders are never compared."""

    embedder: str
    values: Sequence[float]


@dataclass(frozen=True)
class Draft:
    """A note to be stored."""

    content: str
    tags: Sequence[str] = ()
    keywords: Sequence[str] = ()
    category: str = ""
    context: str = ""
    metadata: JsonObject = field(default_factory=dict)
    analysis: JsonObject | None = None


def add(tx: Transaction, draft: Draft, *, id: UUID, namespace: str, author: UUID | None, vector: Vector) -> None:
    """Store a note under this id; an id that is there already is left as it is.

    Raises:
        NotFound: the agent whose namespace it is is not there.
    """
    row = postgresql.insert(memories).values(
        id=id,
        namespace=namespace,
        agent_id=owner_of(namespace),
        author=author,
        content=draft.content,
        tags=list(draft.tags),
        keywords=list(draft.keywords),
        category=draft.category,
        context=draft.context,
        metadata=draft.metadata,
        analysis=draft.analysis,
        embedder=vector.embedder,
        vector=vector.values,
        dimensions=len(vector.values),
    )
    with owning(owner_of(namespace)):
        tx.execute(row.on_conflict_do_nothing(index_elements=[memories.c.id]))


def get(tx: Transaction, id: UUID, *, namespace: str) -> JsonObject | None:
    """One note with its links, its reads and what became of its analysis; or None."""
    reads = select(memory_reads.c.reads).where(memory_reads.c.memory_id == memories.c.id).scalar_subquery()
    links = (
        select(func.array_agg(memory_links.c.other_id))
        .where(memory_links.c.memory_id == memories.c.id)
        .scalar_subquery()
    )
    asked = select(*TOLD, memories.c.analysis, reads.label("reads"), links.label("links")).where(_one(id, namespace))
    row = tx.execute(asked).mappings().one_or_none()
    if row is None:
        return None
    linked = sorted(str(other) for other in row["links"] or ())
    return {**told(row), "analysis": row["analysis"], "reads": row["reads"] or 0, "links": linked}


def change(
    tx: Transaction,
    id: UUID,
    *,
    namespace: str,
    fields: Mapping[str, Any],
    vector: Vector | None = None,
    reason: str = "",
    author: UUID | None = None,
) -> int | None:
    """Change fields of a note, keeping what they were; its version afterwards, or None if there is no such note."""
    # key_share: who has linked the note, or counted a read of it, is not waited for: two such may both be about to change it.
    was = tx.execute(select(memories).where(_one(id, namespace)).with_for_update(key_share=True)).one_or_none()
    if was is None:
        return None
    values: dict[str, Any] = {name: value for name, value in fields.items() if value != getattr(was, name)}
    if not values:
        return int(was.version)
    if vector is not None:
        values |= {"embedder": vector.embedder, "vector": vector.values, "dimensions": len(vector.values)}
    kept = {name: getattr(was, name) for name in _KEPT}
    tx.execute(
        insert(memory_history).values(memory_id=id, version=was.version, fields=kept, reason=reason, author=author)
    )
    tx.execute(
        update(memories)
        .where(memories.c.id == id)
        .values(**values, version=was.version + 1, updated_at=func.clock_timestamp())
    )
    return int(was.version) + 1


def remove(tx: Transaction, id: UUID, *, namespace: str) -> bool:
    """Forget one note, with its history and links; False if there is no such note."""
    return tx.execute(delete_from(memories).where(_one(id, namespace))).rowcount == 1


def history(tx: Transaction, id: UUID, *, namespace: str) -> list[JsonObject]:
    """What a note was before each of its changes, oldest first."""
    found = (
        select(memory_history)
        .join(memories, memories.c.id == memory_history.c.memory_id)
        .where(_one(id, namespace))
        .order_by(memory_history.c.version)
    )
    return [
        {
            **row.fields,
            "version": row.version,
            "reason": row.reason,
            "author": str(row.author) if row.author else None,
            "changed_at": row.changed_at.isoformat(),
        }
        for row in tx.execute(found)
    ]


def link(tx: Transaction, id: UUID, other: UUID, *, namespace: str, reason: str = "") -> bool:
    """Link two notes of a namespace, both ways; False if one of them is not there."""
    ends = select(memories.c.id).where(memories.c.id.in_([id, other]), memories.c.namespace == namespace)
    found = set(tx.execute(ends.order_by(memories.c.id).with_for_update(read=True, key_share=True)).scalars())
    if id == other or found != {id, other}:
        return False
    pairs = sorted([(id, other), (other, id)])  # in one order, from whichever end they are linked
    both = [{"memory_id": a, "other_id": b, "reason": reason} for a, b in pairs]
    tx.execute(postgresql.insert(memory_links).values(both).on_conflict_do_nothing())
    return True


def related(tx: Transaction, id: UUID, *, namespace: str, depth: int, k: int) -> list[JsonObject] | None:
    """The notes that links lead to, nearest first, each with its `depth`; None if there is no such note."""
    if tx.execute(select(memories.c.id).where(_one(id, namespace))).first() is None:
        return None
    walked = tx.execute(_RELATED, {"id": id, "namespace": namespace, "depth": depth, "k": k}).all()
    found = tx.execute(select(*TOLD).where(memories.c.id.in_([row.id for row in walked]))).mappings()
    rows = {row["id"]: told(row) for row in found}
    return [{**rows[row.id], "depth": row.depth} for row in walked if row.id in rows]


def count_reads(tx: Transaction, ids: Sequence[UUID]) -> None:
    """One more read of each."""
    if ids:
        _COUNT_READS.all(tx, {"ids": list(ids)})


def told(row: Mapping[Any, Any]) -> JsonObject:
    """A row as a result: the fields of the kernel's `Note`."""
    return {
        "id": str(row["id"]),
        "namespace": row["namespace"],
        "content": row["content"],
        "tags": list(row["tags"]),
        "keywords": list(row["keywords"]),
        "category": row["category"],
        "context": row["context"],
        "metadata": row["metadata"],
        "version": row["version"],
        "created_at": row["created_at"].isoformat(),
        "updated_at": row["updated_at"].isoformat(),
    }


def _one(id: UUID, namespace: str) -> ColumnElement[bool]:
    return (memories.c.id == id) & (memories.c.namespace == namespace)
