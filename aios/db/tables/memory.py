"""Tables of the memory manager."""

from __future__ import annotations

from pgvector.sqlalchemy import Vector
from sqlalchemy import Column, Computed, Index, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR, UUID

from aios.db.tables.base import agent, count, instant, metadata

EMBEDDING_DIMENSIONS = 384

memories = Table(
    "memories",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("namespace", Text, nullable=False),
    agent(nullable=True),
    Column("content", Text, nullable=False),
    Column("tags", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("metadata", JSONB, nullable=False, server_default=text("'{}'")),
    Column("embedder", Text, nullable=False),
    Column("embedding", Vector(EMBEDDING_DIMENSIONS)),
    Column("words", TSVECTOR, Computed("to_tsvector('english', content)", persisted=True)),
    count("reads"),
    instant("created_at", now=True),
    instant("updated_at", now=True),
    Index("ix_memories_namespace", "namespace", "created_at"),
    Index("ix_memories_words", "words", postgresql_using="gin"),
    Index(
        "ix_memories_embedding",
        "embedding",
        postgresql_using="hnsw",
        postgresql_ops={"embedding": "vector_cosine_ops"},
    ),
)
