"""Tables of the kernel: agents, their journal, their contexts and the workers."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, DOUBLE_PRECISION, JSON, JSONB, REAL, UUID

from aios.db.tables.base import agent, count, instant, metadata

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
    Column("owner", Text, nullable=False, server_default=text("''")),  # the user it works for; '': nobody in particular
    Column("groups", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("runnable", Boolean, nullable=False, server_default=text("true")),
    Column("driver", UUID),  # the incarnation that drives it now
    count("epoch", BigInteger),  # fences drives: each claim adds one
    count("wakes", BigInteger),  # each completed request adds one: a drive that saw fewer goes on
    count("generation"),  # continue_as_new adds one; the journal of earlier generations is not replayed
    # A fork: its generation 0 begins with another agent's journal, of this generation, up to this request.
    Column("forked_from", UUID, ForeignKey("agents.id")),
    Column("forked_generation", Integer),
    Column("forked_at", Integer),
    Column("budgets", JSONB, nullable=False, server_default=text("'{}'")),
    count("tokens", BigInteger),
    count("steps"),
    count("children"),
    count("crashes", SmallInteger),
    Column("result", JSONB),
    Column("error", JSONB),
    Column("idempotency_key", Text, unique=True),
    instant("created_at", now=True),
    instant("started_at"),
    instant("finished_at"),
    instant("deadline_at"),
    Index("ix_agents_runnable", "priority", "created_at", postgresql_where=text("runnable AND driver IS NULL")),
    Index("ix_agents_driven", "driver", postgresql_where=text("driver IS NOT NULL")),
    Index("ix_agents_finished", "finished_at", postgresql_where=text("finished_at IS NOT NULL")),
    Index("ix_agents_created", "created_at"),
    Index("ix_agents_live", "created_at", postgresql_where=text("finished_at IS NULL")),
    Index("ix_agents_forked_from", "forked_from", postgresql_where=text("forked_from IS NOT NULL")),
)

requests = Table(
    "requests",
    metadata,
    Column("id", UUID, primary_key=True),
    agent(index=False),
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
    Column("limit_key", Text),  # what limits how many like it run at once, within its pool; null: the pool alone
    Column("tokens", Integer),  # llm: about as many as its prompt has and its answer may have
    Column("seconds", REAL),  # an attempt's deadline, from its claim; null: it waits without end
    Column("claim_token", UUID),
    Column("incarnation", UUID),
    count("attempt"),
    count("errors", SmallInteger),
    count("crashes", SmallInteger),
    Column("core", Text),
    Column("usage", JSONB),
    Column("result", JSONB),
    Column("error", JSONB),
    Column("waits_for", UUID),  # the child agent of a wait
    Column("approval", UUID),  # by which a human let it run: checked again when it does
    instant("not_before"),  # a retry's or a timer's time
    instant("created_at", now=True),
    instant("queued_at"),
    instant("started_at"),
    instant("finished_at"),
    instant("deadline_at"),
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
    instant("used_at", now=True),  # stored, or (to within half an hour) last asked or built upon: see db/retention.py
    Index("ix_contexts_parent", "parent", postgresql_where=text("parent IS NOT NULL")),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("syscall_id", UUID, ForeignKey("syscalls.id", ondelete="CASCADE"), nullable=False),
    Column("slice", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("seed", BigInteger),
    Column("tokens", ARRAY(Integer), nullable=False),  # of this slice alone, as is the text
    Column("lengths", ARRAY(Integer), nullable=False),  # of each token's text, in characters
    Column("text", Text, nullable=False),
    Column("state_ref", JSONB),  # a KV state: engine, model hash, file, expiry; never the state itself
    instant("created_at", now=True),
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
    instant("started_at", now=True),
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
    instant("seen_at", now=True),
)

recovery = Table(
    "recovery",
    metadata,
    Column("one", Boolean, primary_key=True, server_default=text("true")),
    instant("ticked_at", now=True),
    instant("resumed_at", now=True),  # the tick came back after a gap: nothing expires for one lease from here
    count("rung_again", BigInteger),
    count("fenced", BigInteger),
    count("requeued", BigInteger),
    count("refused", BigInteger),
)
