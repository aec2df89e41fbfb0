"""Table of the cores."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Double, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY

from aios.db.tables.base import instant, metadata

cores = Table(
    "cores",
    metadata,
    Column("name", Text, primary_key=True),
    Column("url", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("model", Text, nullable=False, server_default=text("''")),  # empty: whatever it says that it serves
    Column("aliases", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("slots", Integer, CheckConstraint("slots > 0", name="ck_cores_slots"), nullable=False),
    Column("key_env", Text, nullable=False, server_default=text("''")),  # a variable's name: no key is stored
    Column("context_tokens", Integer, nullable=False, server_default=text("0")),
    Column("cost_prompt", Double, nullable=False, server_default=text("0")),  # of 1,000 tokens
    Column("cost_completion", Double, nullable=False, server_default=text("0")),
    Column("quality", Double, nullable=False, server_default=text("0")),  # from 0 to 1; 0: nobody said
    Column("state", Text, nullable=False, server_default=text("'active'")),
    instant("created_at", now=True),
)
