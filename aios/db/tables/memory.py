"""Tables of the memory manager."""

from __future__ import annotations

from pgvector.sqlalchemy import Vector
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Computed,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    cast,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR, UUID

from aios.db.tables.base import agent, count, instant, metadata

EMBEDDING_DIMENSIONS = 384
"""Of the embedders that ship: their index is in the migrations. `aios mem reindex` makes one for any other number."""

_NO_TEXT = text("''")
_NO_ITEMS = text("'{}'")

memories = Table(
    "memories",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("namespace", Text, nullable=False),  # agent/<id>, group/<name> or tenant/<name>
    agent(nullable=True),  # of an agent's own notes, which go with it; what a group knows outlives who wrote it
    Column("author", UUID),
    Column("content", Text, nullable=False),
    Column("tags", ARRAY(Text), nullable=False, server_default=_NO_ITEMS),
    Column("keywords", ARRAY(Text), nullable=False, server_default=_NO_ITEMS),
    Column("category", Text, nullable=False, server_default=_NO_TEXT),
    Column("context", Text, nullable=False, server_default=_NO_TEXT),
    Column("metadata", JSONB, nullable=False, server_default=_NO_ITEMS),
    Column(
        "analysis", JSONB(none_as_null=True)
    ),  # of notes for a model to analyse: {"state": "done" | "plain", "reason": ...}
    Column("version", Integer, nullable=False, server_default=text("1")),
    Column("embedder", Text, nullable=False),
    Column("vector", Vector()),  # of any length, in the row itself. NULL: still to be made, see `aios mem reindex`
    Column("dimensions", Integer),  # of the vector: the planner has statistics of columns, not of functions
    Column("words", TSVECTOR, Computed("to_tsvector('english', content)", persisted=True)),
    instant("created_at", now=True),
    instant("updated_at", now=True),
    Index("ix_memories_namespace", "namespace", "created_at"),
    Index("ix_memories_words", "words", postgresql_using="gin"),
    Index("ix_memories_tags", "tags", postgresql_using="gin"),
    Index("ix_memories_category", "category", postgresql_where=text("category <> ''")),
    Index("ix_memories_embedder", "embedder"),
    Index(
        f"ix_memories_vector_{EMBEDDING_DIMENSIONS}",
        cast(literal_column("vector"), Vector(EMBEDDING_DIMENSIONS)).label("cast"),
        postgresql_using="hnsw",
        postgresql_ops={"cast": "vector_cosine_ops"},
        postgresql_with={"m": 16, "ef_construction": 128},
        postgresql_where=text(f"dimensions = {EMBEDDING_DIMENSIONS}"),
    ),
)


def _memory(name: str) -> Column[object]:
    return Column(name, UUID, ForeignKey("memories.id", ondelete="CASCADE"), primary_key=True)


# Beside the notes, not in them: counting a read must not write a new version of a row with a vector and its index entries.
memory_reads = Table("memory_reads", metadata, _memory("memory_id"), count("reads"), instant("read_at", now=True))

# Each link stands twice, once from either end.
memory_links = Table(
    "memory_links",
    metadata,
    _memory("memory_id"),
    _memory("other_id"),
    Column("reason", Text, nullable=False, server_default=_NO_TEXT),
    instant("created_at", now=True),
    Index("ix_memory_links_other_id", "other_id"),
)

# What a note was before each change, by the version that it had.
memory_history = Table(
    "memory_history",
    metadata,
    _memory("memory_id"),
    Column("version", Integer, primary_key=True),
    Column("fields", JSONB, nullable=False),
    Column("reason", Text, nullable=False, server_default=_NO_TEXT),
    Column("author", UUID),
    instant("changed_at", now=True),
)

# Working memory. Redis holds copies of those that fit the quota; a cleared block keeps its row, so that versions only grow.
memory_blocks = Table(
    "memory_blocks",
    metadata,
    Column("namespace", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    agent(nullable=True),
    Column("value", Text),  # canonical JSON; NULL: cleared
    count("bytes"),
    Column("capacity", BigInteger),
    Column("pinned", Boolean, nullable=False, server_default=text("false")),
    Column("version", Integer, nullable=False, server_default=text("1")),
    instant("created_at", now=True),
    instant("updated_at", now=True),
)
