"""Tables of the managers.

Revision: 0002.
"""

import sqlalchemy as sa
from alembic import op
from pgvector.sqlalchemy import Vector
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "access_version",
        sa.Column("one", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("one", name=op.f("pk_access_version")),
    )
    op.create_table(
        "audit_chain",
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("entry", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_audit_chain")),
        sa.UniqueConstraint("entry", name=op.f("uq_audit_chain_entry")),
    )
    op.create_table(
        "audit_log",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.UUID(), nullable=True),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_log")),
    )
    op.create_table(
        "cores",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("aliases", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("key_env", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("context_tokens", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'active'"), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_cores")),
    )
    op.create_table(
        "grants",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("principal", sa.Text(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("pattern", sa.Text(), nullable=False),
        sa.Column("allow", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("granted_by", sa.Text(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grants")),
    )
    op.create_index(op.f("ix_grants_principal"), "grants", ["principal"], unique=False)
    op.create_table(
        "group_members",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("member", sa.Text(), nullable=False),
        sa.Column("added_by", sa.Text(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.PrimaryKeyConstraint("name", "member", name=op.f("pk_group_members")),
    )
    op.create_table(
        "holds",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "name", name=op.f("pk_holds")),
    )
    op.create_table(
        "limits",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("slots", sa.Integer(), nullable=True),
        sa.Column("requests", sa.Integer(), nullable=True),
        sa.Column("tokens", sa.Integer(), nullable=True),
        sa.Column("chosen", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_limits")),
    )
    op.create_table(
        "mcp_tools",
        sa.Column("server", sa.Text(), nullable=False),
        sa.Column("tool", sa.Text(), nullable=False),
        sa.Column("accepted", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("offered", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column(
            "accepted_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column(
            "offered_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("server", "tool", name=op.f("pk_mcp_tools")),
    )
    op.create_table(
        "scheduler",
        sa.Column("one", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column(
            "parameters", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("chosen", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("one", name=op.f("pk_scheduler")),
    )
    op.create_table(
        "shares",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("weight", sa.DOUBLE_PRECISION(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", name=op.f("pk_shares")),
    )
    op.create_table(
        "chunks",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("heading", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column(
            "words",
            postgresql.TSVECTOR(),
            sa.Computed("to_tsvector('english', heading || ' ' || content)", persisted=True),
            nullable=True,
        ),
        sa.Column("embedder", sa.Text(), nullable=False),
        sa.Column("embedding", Vector(), nullable=False),
        sa.ForeignKeyConstraint(["digest"], ["blobs.digest"], name=op.f("fk_chunks_digest_blobs"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("digest", "media_type", "position", name=op.f("pk_chunks")),
    )
    op.create_index("ix_chunks_words", "chunks", ["words"], unique=False, postgresql_using="gin")
    op.create_table(
        "memory_blocks",
        sa.Column("namespace", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.UUID(), nullable=True),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("bytes", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("capacity", sa.BigInteger(), nullable=True),
        sa.Column("pinned", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agents.id"], name=op.f("fk_memory_blocks_agent_id_agents"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("namespace", "name", name=op.f("pk_memory_blocks")),
    )
    op.create_index(op.f("ix_memory_blocks_agent_id"), "memory_blocks", ["agent_id"], unique=False)
    op.create_table(
        "summaries",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("words", sa.Integer(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["digest"], ["blobs.digest"], name=op.f("fk_summaries_digest_blobs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("digest", "model", "words", name=op.f("pk_summaries")),
    )
    op.create_table(
        "memory_history",
        sa.Column("memory_id", sa.UUID(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("fields", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("author", sa.UUID(), nullable=True),
        sa.Column(
            "changed_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["memory_id"], ["memories.id"], name=op.f("fk_memory_history_memory_id_memories"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("memory_id", "version", name=op.f("pk_memory_history")),
    )
    op.create_table(
        "memory_links",
        sa.Column("memory_id", sa.UUID(), nullable=False),
        sa.Column("other_id", sa.UUID(), nullable=False),
        sa.Column("reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["memory_id"], ["memories.id"], name=op.f("fk_memory_links_memory_id_memories"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["other_id"], ["memories.id"], name=op.f("fk_memory_links_other_id_memories"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("memory_id", "other_id", name=op.f("pk_memory_links")),
    )
    op.create_index("ix_memory_links_other_id", "memory_links", ["other_id"], unique=False)
    op.create_table(
        "memory_reads",
        sa.Column("memory_id", sa.UUID(), nullable=False),
        sa.Column("reads", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["memory_id"], ["memories.id"], name=op.f("fk_memory_reads_memory_id_memories"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("memory_id", name=op.f("pk_memory_reads")),
    )
    op.create_table(
        "share_links",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("file_id", sa.UUID(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("agent_id", sa.UUID(), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["file_id"], ["files.id"], name=op.f("fk_share_links_file_id_files"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_share_links")),
    )
    op.create_index(op.f("ix_share_links_file_id"), "share_links", ["file_id"], unique=False)
    op.create_table(
        "approvals",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("agent_id", sa.UUID(), nullable=False),
        sa.Column("syscall_id", sa.UUID(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("arguments", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("edited", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("state", sa.Text(), server_default=sa.text("'waiting'"), nullable=False),
        sa.Column("note", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agents.id"], name=op.f("fk_approvals_agent_id_agents"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["syscall_id"], ["syscalls.id"], name=op.f("fk_approvals_syscall_id_syscalls"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals")),
    )
    op.create_index(op.f("ix_approvals_agent_id"), "approvals", ["agent_id"], unique=False)
    op.create_index(op.f("ix_approvals_syscall_id"), "approvals", ["syscall_id"], unique=False)
    op.create_index(
        "ix_approvals_waiting", "approvals", ["expires_at"], unique=False, postgresql_where=sa.text("state = 'waiting'")
    )
    op.add_column("agents", sa.Column("owner", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.add_column(
        "agents", sa.Column("groups", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False)
    )
    op.add_column("agents", sa.Column("forked_from", sa.UUID(), nullable=True))
    op.add_column("agents", sa.Column("forked_generation", sa.Integer(), nullable=True))
    op.add_column("agents", sa.Column("forked_at", sa.Integer(), nullable=True))
    op.create_index(
        "ix_agents_forked_from",
        "agents",
        ["forked_from"],
        unique=False,
        postgresql_where=sa.text("forked_from IS NOT NULL"),
    )
    op.create_index(
        "ix_agents_live", "agents", ["created_at"], unique=False, postgresql_where=sa.text("finished_at IS NULL")
    )
    op.create_foreign_key(op.f("fk_agents_forked_from_agents"), "agents", "agents", ["forked_from"], ["id"])
    op.alter_column("blobs", "data", existing_type=postgresql.BYTEA(), nullable=True)
    op.execute("DELETE FROM checkpoints")  # where their tokens end is not known: these generations begin again
    op.add_column("checkpoints", sa.Column("lengths", postgresql.ARRAY(sa.Integer()), nullable=False))
    op.add_column("file_versions", sa.Column("op", sa.Text(), server_default=sa.text("'write'"), nullable=False))
    op.add_column("file_versions", sa.Column("origin", sa.Text(), nullable=True))
    op.add_column("file_versions", sa.Column("agent_id", sa.UUID(), nullable=True))
    op.add_column("files", sa.Column("folder", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("files", sa.Column("indexed", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.add_column("files", sa.Column("indexing_until", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_files_path_prefix", "files", ["path"], unique=False, postgresql_ops={"path": "text_pattern_ops"}
    )
    op.create_index(
        "ix_files_unindexed",
        "files",
        ["updated_at"],
        unique=False,
        postgresql_where=sa.text("indexed < version AND NOT deleted"),
    )
    op.add_column("memories", sa.Column("author", sa.UUID(), nullable=True))
    op.add_column(
        "memories", sa.Column("keywords", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False)
    )
    op.add_column("memories", sa.Column("category", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.add_column("memories", sa.Column("context", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.add_column(
        "memories", sa.Column("analysis", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True)
    )
    op.add_column("memories", sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False))
    op.add_column("memories", sa.Column("vector", Vector(), nullable=True))
    op.add_column("memories", sa.Column("dimensions", sa.Integer(), nullable=True))
    op.drop_index(
        op.f("ix_memories_embedding"),
        table_name="memories",
        postgresql_ops={"embedding": "vector_cosine_ops"},
        postgresql_using="hnsw",
    )
    op.create_index("ix_memories_embedder", "memories", ["embedder"], unique=False)
    op.create_index(
        "ix_memories_vector_384",
        "memories",
        [sa.literal_column("CAST(vector AS VECTOR(384))").label("cast")],
        unique=False,
        postgresql_using="hnsw",
        postgresql_ops={"cast": "vector_cosine_ops"},
        postgresql_with={"m": 16, "ef_construction": 128},
        postgresql_where=sa.text("dimensions = 384"),
    )
    op.execute("UPDATE memories SET vector = embedding, dimensions = 384 WHERE embedding IS NOT NULL")
    op.drop_column("memories", "reads")
    op.drop_column("memories", "embedding")
    op.add_column("syscalls", sa.Column("limit_key", sa.Text(), nullable=True))
    op.add_column("syscalls", sa.Column("tokens", sa.Integer(), nullable=True))
    op.add_column("syscalls", sa.Column("approval", sa.UUID(), nullable=True))


def downgrade() -> None:
    op.drop_column("syscalls", "approval")
    op.drop_column("syscalls", "tokens")
    op.drop_column("syscalls", "limit_key")
    op.add_column("memories", sa.Column("embedding", Vector(dim=384), autoincrement=False, nullable=True))
    op.add_column(
        "memories", sa.Column("reads", sa.INTEGER(), server_default=sa.text("0"), autoincrement=False, nullable=False)
    )
    op.drop_index(
        "ix_memories_vector_384",
        table_name="memories",
        postgresql_using="hnsw",
        postgresql_ops={"cast": "vector_cosine_ops"},
        postgresql_with={"m": 16, "ef_construction": 128},
        postgresql_where=sa.text("dimensions = 384"),
    )
    op.drop_index("ix_memories_embedder", table_name="memories")
    op.create_index(
        op.f("ix_memories_embedding"),
        "memories",
        ["embedding"],
        unique=False,
        postgresql_ops={"embedding": "vector_cosine_ops"},
        postgresql_using="hnsw",
    )
    op.execute("UPDATE memories SET embedding = vector WHERE dimensions = 384")
    op.drop_column("memories", "dimensions")
    op.drop_column("memories", "vector")
    op.drop_column("memories", "version")
    op.drop_column("memories", "analysis")
    op.drop_column("memories", "context")
    op.drop_column("memories", "category")
    op.drop_column("memories", "keywords")
    op.drop_column("memories", "author")
    op.drop_index(
        "ix_files_unindexed", table_name="files", postgresql_where=sa.text("indexed < version AND NOT deleted")
    )
    op.drop_index("ix_files_path_prefix", table_name="files", postgresql_ops={"path": "text_pattern_ops"})
    op.drop_column("files", "indexing_until")
    op.drop_column("files", "indexed")
    op.drop_column("files", "folder")
    op.drop_column("file_versions", "agent_id")
    op.drop_column("file_versions", "origin")
    op.drop_column("file_versions", "op")
    op.drop_column("checkpoints", "lengths")
    op.alter_column("blobs", "data", existing_type=postgresql.BYTEA(), nullable=False)
    op.drop_constraint(op.f("fk_agents_forked_from_agents"), "agents", type_="foreignkey")
    op.drop_index("ix_agents_live", table_name="agents", postgresql_where=sa.text("finished_at IS NULL"))
    op.drop_index("ix_agents_forked_from", table_name="agents", postgresql_where=sa.text("forked_from IS NOT NULL"))
    op.drop_column("agents", "forked_at")
    op.drop_column("agents", "forked_generation")
    op.drop_column("agents", "forked_from")
    op.drop_column("agents", "groups")
    op.drop_column("agents", "owner")
    op.drop_index("ix_approvals_waiting", table_name="approvals", postgresql_where=sa.text("state = 'waiting'"))
    op.drop_index(op.f("ix_approvals_syscall_id"), table_name="approvals")
    op.drop_index(op.f("ix_approvals_agent_id"), table_name="approvals")
    op.drop_table("approvals")
    op.drop_index(op.f("ix_share_links_file_id"), table_name="share_links")
    op.drop_table("share_links")
    op.drop_table("memory_reads")
    op.drop_index("ix_memory_links_other_id", table_name="memory_links")
    op.drop_table("memory_links")
    op.drop_table("memory_history")
    op.drop_table("summaries")
    op.drop_index(op.f("ix_memory_blocks_agent_id"), table_name="memory_blocks")
    op.drop_table("memory_blocks")
    op.drop_index("ix_chunks_words", table_name="chunks", postgresql_using="gin")
    op.drop_table("chunks")
    op.drop_table("shares")
    op.drop_table("scheduler")
    op.drop_table("mcp_tools")
    op.drop_table("limits")
    op.drop_table("holds")
    op.drop_table("group_members")
    op.drop_index(op.f("ix_grants_principal"), table_name="grants")
    op.drop_table("grants")
    op.drop_table("cores")
    op.drop_table("audit_log")
    op.drop_table("audit_chain")
    op.drop_table("access_version")
