"""Tables of the scheduler: what an operator, or the configuration at a worker's start, has chosen for all workers."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Integer, PrimaryKeyConstraint, Table, Text, text
from sqlalchemy.dialects.postgresql import DOUBLE_PRECISION, JSONB

from aios.db.tables.base import metadata

scheduler = Table(
    "scheduler",
    metadata,
    Column("one", Boolean, primary_key=True, server_default=text("true")),
    Column("policy", Text, nullable=False),
    Column("parameters", JSONB, nullable=False, server_default=text("'{}'")),
    Column("chosen", Boolean, nullable=False, server_default=text("false")),  # by an operator: no start changes it
)

limits = Table(
    "limits",
    metadata,
    Column("key", Text, primary_key=True),
    Column("slots", Integer),
    Column("requests", Integer),  # per minute, as are tokens
    Column("tokens", Integer),
    Column("chosen", Boolean, nullable=False, server_default=text("false")),
)

holds = Table(  # groups and tenants that are paused: their agents that are submitted meanwhile are, too
    "holds",
    metadata,
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    PrimaryKeyConstraint("kind", "name"),
)

shares = Table(
    "shares",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("weight", DOUBLE_PRECISION, nullable=False),
)
