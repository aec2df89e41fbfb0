"""Tables of the access manager: who may do what, what waits for a human, and what was decided."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID

from aios.db.tables.base import agent, count, instant, metadata

access_version = Table(
    "access_version",
    metadata,
    Column("one", Boolean, primary_key=True, server_default=text("true")),
    count("version", BigInteger),  # each change of grants or groups adds one: what workers have cached is older then
)

group_members = Table(
    "group_members",
    metadata,
    Column("name", Text, nullable=False),
    Column("member", Text, nullable=False),  # a principal: `agent:<id>`, `user:<name>`, `tenant:<name>`
    Column("added_by", Text, nullable=False),
    instant("added_at", now=True),
    PrimaryKeyConstraint("name", "member"),
)

grants = Table(
    "grants",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("principal", Text, nullable=False, index=True),
    Column("operation", Text, nullable=False),  # `*`: every one
    Column("pattern", Text, nullable=False),
    Column("allow", Boolean, nullable=False),
    Column("reason", Text, nullable=False, server_default=text("''")),
    Column("granted_by", Text, nullable=False),
    instant("created_at", now=True),
    instant("expires_at"),
)

approvals = Table(
    "approvals",
    metadata,
    Column("id", UUID, primary_key=True),
    agent(),
    Column("syscall_id", UUID, ForeignKey("syscalls.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("kind", Text, nullable=False),  # what makes it irreversible: `overwrite`, `code`...
    Column("operation", Text, nullable=False),
    Column("resource", Text, nullable=False),
    Column("arguments", JSONB, nullable=False),
    Column("edited", JSONB),  # what a human made of the arguments
    Column("digest", LargeBinary, nullable=False),  # of the arguments that the answer is about
    Column("version", Integer),  # of the file that the answer is about; 0: there is none yet
    Column("state", Text, nullable=False, server_default=text("'waiting'")),
    Column("note", Text, nullable=False, server_default=text("''")),
    Column("decided_by", Text),
    instant("created_at", now=True),
    instant("expires_at"),
    instant("decided_at"),
    Index("ix_approvals_waiting", "expires_at", postgresql_where=text("state = 'waiting'")),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    instant("at", now=True),
    Column("actor", Text, nullable=False),  # a principal, or `system`
    Column("action", Text, nullable=False),
    Column("resource", Text, nullable=False),
    Column("agent_id", UUID),  # refers to nothing: the log outlives what it tells of
    Column("detail", JSONB, nullable=False, server_default=text("'{}'")),
)

audit_chain = Table(
    "audit_chain",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("entry", BigInteger, nullable=False, unique=True),  # an audit_log.id; no reference: a missing one must show
    Column("hash", LargeBinary, nullable=False),
    instant("sealed_at", now=True),
)
