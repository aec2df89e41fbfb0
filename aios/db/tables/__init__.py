"""The tables. Postgres is the truth: what is not here did not happen.

Instants are `clock_timestamp()` of the database, never a host's clock. `jsonb` holds values, `bytea` digests and blobs.
"""

from __future__ import annotations

from aios.db.tables.base import metadata
from aios.db.tables.memory import EMBEDDING_DIMENSIONS, memories
from aios.db.tables.processes import agents, checkpoints, contexts, programs, recovery, requests, syscalls, workers
from aios.db.tables.schedules import schedule_runs, schedules
from aios.db.tables.storage import blobs, file_versions, files

__all__ = [
    "EMBEDDING_DIMENSIONS",
    "agents",
    "blobs",
    "checkpoints",
    "contexts",
    "file_versions",
    "files",
    "memories",
    "metadata",
    "programs",
    "recovery",
    "requests",
    "schedule_runs",
    "schedules",
    "syscalls",
    "workers",
]
