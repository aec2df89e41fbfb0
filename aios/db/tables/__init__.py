"""The tables. Postgres is the truth: what is not here did not happen.

Instants are `clock_timestamp()` of the database, never a host's clock. `jsonb` holds values, `bytea` digests and blobs.
"""

from __future__ import annotations

from aios.db.tables.access import access_version, approvals, audit_chain, audit_log, grants, group_members
from aios.db.tables.base import metadata
from aios.db.tables.cores import cores
from aios.db.tables.memory import (
    EMBEDDING_DIMENSIONS,
    memories,
    memory_blocks,
    memory_history,
    memory_links,
    memory_reads,
)
from aios.db.tables.processes import agents, checkpoints, contexts, programs, recovery, requests, syscalls, workers
from aios.db.tables.schedules import schedule_runs, schedules
from aios.db.tables.scheduling import holds, limits, scheduler, shares
from aios.db.tables.storage import blobs, chunks, file_versions, files, share_links, summaries
from aios.db.tables.tools import mcp_tools

__all__ = [
    "EMBEDDING_DIMENSIONS",
    "access_version",
    "agents",
    "approvals",
    "audit_chain",
    "audit_log",
    "blobs",
    "checkpoints",
    "chunks",
    "contexts",
    "cores",
    "file_versions",
    "files",
    "grants",
    "group_members",
    "holds",
    "limits",
    "mcp_tools",
    "memories",
    "memory_blocks",
    "memory_history",
    "memory_links",
    "memory_reads",
    "metadata",
    "programs",
    "recovery",
    "requests",
    "schedule_runs",
    "scheduler",
    "schedules",
    "share_links",
    "shares",
    "summaries",
    "syscalls",
    "workers",
]
