"""What an operator sees of memory: notes by id, whoever's they are, and how much there is of what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import select, text

from aios.db.tables import memories
from aios.memory import notes, reindex

if TYPE_CHECKING:
    from uuid import UUID

    from aios.db.session import Transaction
    from aios.kernel.values import JsonObject

_KINDS: Final = text(
    """
    SELECT split_part(namespace, '/', 1) AS kind, count(*) AS notes, count(DISTINCT namespace) AS namespaces
    FROM memories GROUP BY 1 ORDER BY 1
    """
)
_EMBEDDERS: Final = text(
    """
    SELECT embedder, dimensions, count(*) AS notes FROM memories
    GROUP BY 1, 2 ORDER BY 3 DESC, 1
    """
)
_BLOCKS: Final = text(
    """
    SELECT count(*) AS blocks, COALESCE(sum(bytes), 0) AS bytes, count(DISTINCT namespace) AS namespaces
    FROM memory_blocks WHERE value IS NOT NULL
    """
)
_LINKS: Final = text("SELECT count(*) / 2 FROM memory_links")


def show(tx: Transaction, id: UUID) -> JsonObject | None:
    """One note with its links, its reads and its history; None if there is none."""
    place = tx.execute(select(memories.c.namespace, memories.c.embedder).where(memories.c.id == id)).one_or_none()
    found = None if place is None else notes.get(tx, id, namespace=place.namespace)
    if place is None or found is None:
        return None
    return {**found, "embedder": place.embedder, "history": notes.history(tx, id, namespace=place.namespace)}


def stat(tx: Transaction, *, embedder: str) -> JsonObject:
    """How many notes, of which embedders, links and blocks there are, and how many notes wait to be embedded anew."""
    blocks = tx.execute(_BLOCKS).one()
    return {
        "notes": {row.kind: {"notes": row.notes, "namespaces": row.namespaces} for row in tx.execute(_KINDS)},
        "links": int(tx.execute(_LINKS).scalar_one()),
        "blocks": {"blocks": blocks.blocks, "bytes": int(blocks.bytes), "namespaces": blocks.namespaces},
        "embedders": [dict(row) for row in tx.execute(_EMBEDDERS).mappings()],
        "embedder": embedder,
        "pending": reindex.pending(tx, embedder),
    }
