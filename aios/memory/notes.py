"""The statements of memory: each names its namespace, and runs in a transaction that somebody else will commit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete as delete_from
from sqlalchemy import func, select, update
from sqlalchemy.dialects import postgresql

from aios.db.tables import memories

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy import ColumnElement, Row

    from aios.db.session import Transaction
    from aios.kernel.values import JsonObject


@dataclass(frozen=True)
class Vector:
    """An embedding and whose it is: vectors of different embedders are never compared."""

    embedder: str
    values: Sequence[float]


def add(
    tx: Transaction,
    *,
    id: UUID,
    namespace: str,
    agent_id: UUID,
    content: str,
    tags: Sequence[str],
    metadata: JsonObject,
    vector: Vector,
) -> None:
    """Remember a text under this id; an id that is there already is left as it is."""
    tx.execute(
        postgresql.insert(memories)
        .values(
            id=id,
            namespace=namespace,
            agent_id=agent_id,
            content=content,
            tags=list(tags),
            metadata=metadata,
            embedder=vector.embedder,
            vector=vector.values,
        )
        .on_conflict_do_nothing(index_elements=[memories.c.id])
    )


def get(tx: Transaction, id: UUID, *, namespace: str) -> JsonObject | None:
    """One memory, or None."""
    columns = memories.c.id, memories.c.content, memories.c.tags, memories.c.metadata
    row = tx.execute(select(*columns).where(_one(id, namespace))).one_or_none()
    return None if row is None else told(row)


def change(
    tx: Transaction,
    id: UUID,
    *,
    namespace: str,
    content: str | None,
    tags: Sequence[str] | None,
    metadata: JsonObject | None,
    vector: Vector | None,
) -> bool:
    """Change what is given and leave what is None; False if there is no such memory."""
    given: dict[str, Any] = {"content": content, "tags": None if tags is None else list(tags), "metadata": metadata}
    if vector is not None:
        given |= {"embedder": vector.embedder, "vector": vector.values}
    values = {name: value for name, value in given.items() if value is not None}
    statement = update(memories).where(_one(id, namespace)).values(**values, updated_at=func.clock_timestamp())
    return tx.execute(statement).rowcount == 1


def remove(tx: Transaction, id: UUID, *, namespace: str) -> bool:
    """Forget one memory; False if there is no such memory."""
    return tx.execute(delete_from(memories).where(_one(id, namespace))).rowcount == 1


def told(row: Row[*tuple[Any, ...]]) -> JsonObject:
    """A row as a result: the fields of the kernel's `Note`."""
    return {"id": str(row.id), "content": row.content, "tags": list(row.tags), "metadata": row.metadata}


def _one(id: UUID, namespace: str) -> ColumnElement[bool]:
    return (memories.c.id == id) & (memories.c.namespace == namespace)
