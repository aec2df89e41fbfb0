"""What the tables share: their metadata and their commonest columns."""

from __future__ import annotations

from sqlalchemy import Column, DateTime, ForeignKey, Integer, MetaData, func, text
from sqlalchemy.dialects.postgresql import UUID

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def instant(name: str, *, now: bool = False, index: bool = False) -> Column[object]:
    """A point in time; `now`: of the row's making."""
    default = func.clock_timestamp() if now else None
    return Column(name, DateTime(timezone=True), nullable=not now, server_default=default, index=index)


def agent(*, nullable: bool = False, index: bool = True) -> Column[object]:
    """The agent that a row belongs to, and goes with."""
    return Column("agent_id", UUID, ForeignKey("agents.id", ondelete="CASCADE"), nullable=nullable, index=index)


def count(name: str, kind: type[Integer] = Integer) -> Column[object]:
    """A counter that begins at 0."""
    return Column(name, kind, nullable=False, server_default=text("0"))
