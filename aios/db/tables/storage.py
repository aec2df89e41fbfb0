"""Tables of the storage manager."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import UUID

from aios.db.tables.base import agent, instant, metadata

blobs = Table(
    "blobs",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("data", LargeBinary, nullable=False),
    instant("created_at", now=True),
)

files = Table(
    "files",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("path", Text, nullable=False, unique=True),
    agent(nullable=True),
    Column("version", Integer, nullable=False),
    Column("deleted", Boolean, nullable=False, server_default=text("false")),
    instant("created_at", now=True),
    instant("updated_at", now=True),
)

file_versions = Table(
    "file_versions",
    metadata,
    Column("file_id", UUID, ForeignKey("files.id", ondelete="CASCADE"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("digest", LargeBinary, ForeignKey("blobs.digest"), index=True),  # null: this version is a deletion
    Column("size", BigInteger, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("syscall_id", UUID),
    instant("created_at", now=True),
    PrimaryKeyConstraint("file_id", "version"),
)
