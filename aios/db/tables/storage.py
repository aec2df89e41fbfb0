"""Tables of the storage manager."""

from __future__ import annotations

from pgvector.sqlalchemy import Vector
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Computed,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import TSVECTOR, UUID

from aios.db.tables.base import agent, instant, metadata

blobs = Table(
    "blobs",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("data", LargeBinary),  # null: the bytes are in the object store that the settings name
    instant("created_at", now=True),
)

files = Table(
    "files",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("path", Text, nullable=False, unique=True),
    agent(nullable=True),  # whose folder it is in; null: a group's or a shared file, which outlives its writer
    Column("folder", Boolean, nullable=False, server_default=text("false")),
    Column("version", Integer, nullable=False),
    Column("deleted", Boolean, nullable=False, server_default=text("false")),
    Column("indexed", Integer, nullable=False, server_default=text("0")),  # the newest version that search knows
    instant("indexing_until"),  # some process is at it until then
    instant("created_at", now=True),
    instant("updated_at", now=True),
    Index("ix_files_path_prefix", "path", postgresql_ops={"path": "text_pattern_ops"}),
    Index("ix_files_unindexed", "updated_at", postgresql_where=text("indexed < version AND NOT deleted")),
)

file_versions = Table(
    "file_versions",
    metadata,
    Column("file_id", UUID, ForeignKey("files.id", ondelete="CASCADE"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("digest", LargeBinary, ForeignKey("blobs.digest"), index=True),  # null: this version is a deletion
    Column("size", BigInteger, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("op", Text, nullable=False, server_default=text("'write'")),
    Column("origin", Text),  # where its content came from, of a move, a copy or a rollback
    Column("agent_id", UUID),  # who wrote it; null: an operator. No foreign key: history outlives agents
    Column("syscall_id", UUID),
    instant("created_at", now=True),
    PrimaryKeyConstraint("file_id", "version"),
)

chunks = Table(
    "chunks",
    metadata,
    Column("digest", LargeBinary, ForeignKey("blobs.digest", ondelete="CASCADE"), nullable=False),
    Column("media_type", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("heading", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("words", TSVECTOR, Computed("to_tsvector('english', heading || ' ' || content)", persisted=True)),
    Column("embedder", Text, nullable=False),
    Column("embedding", Vector(), nullable=False),  # of any length: vectors are compared one by one, within a folder
    PrimaryKeyConstraint("digest", "media_type", "position"),
    Index("ix_chunks_words", "words", postgresql_using="gin"),
)

summaries = Table(
    "summaries",
    metadata,
    Column("digest", LargeBinary, ForeignKey("blobs.digest", ondelete="CASCADE"), nullable=False),
    Column("model", Text, nullable=False),
    Column("words", Integer, nullable=False),  # how long it was asked to be
    Column("content", Text, nullable=False),
    instant("created_at", now=True),
    PrimaryKeyConstraint("digest", "model", "words"),
)

share_links = Table(
    "share_links",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("file_id", UUID, ForeignKey("files.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("version", Integer),  # null: whatever version is the newest when the link is opened
    Column("agent_id", UUID),
    instant("created_at", now=True),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    instant("revoked_at"),
)
