"""Tables of cron."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, DateTime, ForeignKey, PrimaryKeyConstraint, SmallInteger, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB, UUID

from aios.db.tables.base import instant, metadata

schedules = Table(
    "schedules",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("cron", Text, nullable=False),
    Column("timezone", Text, nullable=False),
    Column("program", Text, nullable=False),
    Column("task", JSONB, nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("next_at", DateTime(timezone=True), nullable=False, index=True),
    instant("created_at", now=True),
)

schedule_runs = Table(
    "schedule_runs",
    metadata,
    Column("schedule_id", UUID, ForeignKey("schedules.id", ondelete="CASCADE"), nullable=False),
    Column("tick_at", DateTime(timezone=True), nullable=False),
    Column("agent_id", UUID, nullable=False),
    Column("manual", Boolean, nullable=False, server_default=text("false")),
    instant("fired_at", now=True),
    PrimaryKeyConstraint("schedule_id", "tick_at"),
)
