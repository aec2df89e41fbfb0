"""The tables. Postgres is the truth: what is not here did not happen.

Instants are `clock_timestamp()` of the database, never a host's clock. `jsonb` holds values, `bytea` digests and blobs.
"""

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
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, DOUBLE_PRECISION, JSON, JSONB, REAL, TSVECTOR, UUID

EMBEDDING_DIMENSIONS = 384

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _instant(name: str, *, now: bool = False, index: bool = False) -> Column[object]:
    default = func.clock_timestamp() if now else None
    return Column(name, DateTime(timezone=True), nullable=not now, server_default=default, index=index)


def _agent(*, nullable: bool = False, index: bool = True) -> Column[object]:
    return Column("agent_id", UUID, ForeignKey("agents.id", ondelete="CASCADE"), nullable=nullable, index=index)


def _count(name: str, kind: type[Integer] = Integer) -> Column[object]:
    return Column(name, kind, nullable=False, server_default=text("0"))


agents = Table(
    "agents",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("root_id", UUID, nullable=False, index=True),
    Column("parent_id", UUID, ForeignKey("agents.id", ondelete="SET NULL"), index=True),
    Column("program", Text, nullable=False),
    Column("version", Text),  # the program's when the agent was first driven; told, never enforced
    Column("task", JSONB, nullable=False),
    Column("state", Text, nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("tenant", Text, nullable=False, server_default=text("'default'")),
    Column("runnable", Boolean, nullable=False, server_default=text("true")),
    Column("driver", UUID),  # the incarnation that drives it now
    _count("epoch", BigInteger),  # fences drives: each claim adds one
    _count("wakes", BigInteger),  # each completed request adds one: a drive that saw fewer goes on
    _count("generation"),  # continue_as_new adds one; the journal of earlier generations is not replayed
    Column("budgets", JSONB, nullable=False, server_default=text("'{}'")),
    _count("tokens", BigInteger),
    _count("steps"),
    _count("children"),
    _count("crashes", SmallInteger),
    Column("result", JSONB),
    Column("error", JSONB),
    Column("idempotency_key", Text, unique=True),
    _instant("created_at", now=True),
    _instant("started_at"),
    _instant("finished_at"),
    _instant("deadline_at"),
    Index("ix_agents_runnable", "priority", "created_at", postgresql_where=text("runnable AND driver IS NULL")),
    Index("ix_agents_driven", "driver", postgresql_where=text("driver IS NOT NULL")),
    Index("ix_agents_finished", "finished_at", postgresql_where=text("finished_at IS NOT NULL")),
    Index("ix_agents_created", "created_at"),
)

requests = Table(
    "requests",
    metadata,
    Column("id", UUID, primary_key=True),
    _agent(index=False),
    Column("generation", Integer, nullable=False),
    Column("seq", Text, nullable=False),  # hierarchical: 3, then inside a gather 4.1.2
    Column("label", Text, nullable=False),  # what it asks, cut short: shown when a replay diverges
    Column("digest", LargeBinary, nullable=False),  # of what it asks, whole
    Column("pending", SmallInteger, nullable=False),
    Column(
        "settled", JSON
    ),  # {"result"} or {"error"} of what needed no syscall; as text, so that a replay sees it unchanged
    UniqueConstraint("agent_id", "generation", "seq"),
)

syscalls = Table(
    "syscalls",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("agent_id", UUID, nullable=False),  # its request's: that one refers to the agent, and takes this along
    Column("request_id", UUID, ForeignKey("requests.id", ondelete="CASCADE"), nullable=False),
    Column("position", SmallInteger, nullable=False),
    Column("pool", Text, nullable=False),
    Column("op", Text, nullable=False),
    Column("effect", Text, nullable=False),
    Column("payload", JSONB, nullable=False),
    Column("prompt", LargeBinary),  # llm: digest of the context asked with
    Column("context", LargeBinary),  # llm: digest of the context with the reply
    Column("state", Text, nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("seconds", REAL),  # an attempt's deadline, from its claim; null: it waits without end
    Column("claim_token", UUID),
    Column("incarnation", UUID),
    _count("attempt"),
    _count("errors", SmallInteger),
    _count("crashes", SmallInteger),
    Column("core", Text),
    Column("usage", JSONB),
    Column("result", JSONB),
    Column("error", JSONB),
    Column("waits_for", UUID),  # the child agent of a wait
    _instant("not_before"),  # a retry's or a timer's time
    _instant("created_at", now=True),
    _instant("queued_at"),
    _instant("started_at"),
    _instant("finished_at"),
    _instant("deadline_at"),
    UniqueConstraint("request_id", "position"),
    Index(
        "ix_syscalls_active",
        "state",
        "pool",
        "queued_at",
        postgresql_where=text("state IN ('queued', 'running', 'waiting')"),
    ),
    Index("ix_syscalls_waits_for", "waits_for", postgresql_where=text("waits_for IS NOT NULL AND state = 'waiting'")),
)

contexts = Table(
    "contexts",
    metadata,
    Column("digest", LargeBinary, primary_key=True),  # of the parent's digest and the messages: equal prefixes are one
    Column("parent", LargeBinary),
    Column("messages", JSONB, nullable=False),
    Column("length", Integer, nullable=False),  # messages from the root to here
    _instant("used_at", now=True),  # stored, or (to within half an hour) last asked or built upon: see db/retention.py
    Index("ix_contexts_parent", "parent", postgresql_where=text("parent IS NOT NULL")),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("syscall_id", UUID, ForeignKey("syscalls.id", ondelete="CASCADE"), nullable=False),
    Column("slice", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("seed", BigInteger),
    Column("tokens", ARRAY(Integer), nullable=False),
    Column("text", Text, nullable=False),
    Column("state_ref", JSONB),  # a KV state: engine, model hash, file, expiry; never the state itself
    _instant("created_at", now=True),
    PrimaryKeyConstraint("syscall_id", "slice"),
)

workers = Table(
    "workers",
    metadata,
    Column("incarnation", UUID, primary_key=True),
    Column("pools", ARRAY(Text), nullable=False),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("born", DOUBLE_PRECISION, nullable=False),  # tells a reused pid, by no clock
    Column("concurrency", Integer, nullable=False),
    Column("programs", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    _instant("started_at", now=True),
    Column("alive_until", DateTime(timezone=True), nullable=False),
)

programs = Table(
    "programs",
    metadata,
    Column("name", Text, primary_key=True),
    Column("version", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("tools", ARRAY(Text), nullable=False),
    Column("error", Text),
    _instant("seen_at", now=True),
)

recovery = Table(
    "recovery",
    metadata,
    Column("one", Boolean, primary_key=True, server_default=text("true")),
    _instant("ticked_at", now=True),
    _instant("resumed_at", now=True),  # the tick came back after a gap: nothing expires for one lease from here
    _count("rung_again", BigInteger),
    _count("fenced", BigInteger),
    _count("requeued", BigInteger),
    _count("refused", BigInteger),
)

memories = Table(
    "memories",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("namespace", Text, nullable=False),
    _agent(nullable=True),
    Column("content", Text, nullable=False),
    Column("tags", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("metadata", JSONB, nullable=False, server_default=text("'{}'")),
    Column("embedder", Text, nullable=False),
    Column("embedding", Vector(EMBEDDING_DIMENSIONS)),
    Column("words", TSVECTOR, Computed("to_tsvector('english', content)", persisted=True)),
    _count("reads"),
    _instant("created_at", now=True),
    _instant("updated_at", now=True),
    Index("ix_memories_namespace", "namespace", "created_at"),
    Index("ix_memories_words", "words", postgresql_using="gin"),
    Index(
        "ix_memories_embedding",
        "embedding",
        postgresql_using="hnsw",
        postgresql_ops={"embedding": "vector_cosine_ops"},
    ),
)

blobs = Table(
    "blobs",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("data", LargeBinary, nullable=False),
    _instant("created_at", now=True),
)

files = Table(
    "files",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("path", Text, nullable=False, unique=True),
    _agent(nullable=True),
    Column("version", Integer, nullable=False),
    Column("deleted", Boolean, nullable=False, server_default=text("false")),
    _instant("created_at", now=True),
    _instant("updated_at", now=True),
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
    _instant("created_at", now=True),
    PrimaryKeyConstraint("file_id", "version"),
)

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
    _instant("created_at", now=True),
)

schedule_runs = Table(
    "schedule_runs",
    metadata,
    Column("schedule_id", UUID, ForeignKey("schedules.id", ondelete="CASCADE"), nullable=False),
    Column("tick_at", DateTime(timezone=True), nullable=False),
    Column("agent_id", UUID, nullable=False),
    Column("manual", Boolean, nullable=False, server_default=text("false")),
    _instant("fired_at", now=True),
    PrimaryKeyConstraint("schedule_id", "tick_at"),
)
