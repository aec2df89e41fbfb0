"""Tables of the tool manager."""

from __future__ import annotations

from sqlalchemy import Column, PrimaryKeyConstraint, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from aios.db.tables.base import instant, metadata

# What MCP servers offer, and what of it was accepted: {"name", "description", "parameters"} each.
mcp_tools = Table(
    "mcp_tools",
    metadata,
    Column("server", Text, nullable=False),
    Column("tool", Text, nullable=False),
    Column("accepted", JSONB(none_as_null=True)),
    Column("offered", JSONB(none_as_null=True)),
    instant("accepted_at", now=True),
    instant("offered_at", now=True),
    PrimaryKeyConstraint("server", "tool"),
)
