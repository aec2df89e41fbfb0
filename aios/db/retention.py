"""Pruning, batch by batch: each function is one short transaction's work, and passes over rows that somebody holds.

Agents go by whole trees, once all of a tree have ended long enough ago and no fork needs their journals any more, with these
journals, their memories and files. What may be shared goes after them: contexts that no syscall reaches (marked by one query,
swept from the ends of the chains) and blobs that no version refers to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime, timedelta

    from sqlalchemy import Row

    from aios.db.session import Transaction

BATCH = 500
"""Rows that one transaction removes at most; of agents, which take their journals along, a tenth of that."""

_MOST_DEAD = 200_000  # contexts that one mark finds at most; the next prune finds the others

_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(8102)")  # two prunes would wait for each other's children

_ENDED_TREES = text(
    """
    SELECT root_id FROM agents a
    WHERE finished_at < :cutoff AND parent_id IS NULL AND NOT EXISTS (
        SELECT 1 FROM agents m WHERE m.root_id = a.root_id AND (m.finished_at IS NULL OR m.finished_at >= :cutoff))
      AND NOT EXISTS (SELECT FROM agents f JOIN agents m ON m.id = f.forked_from WHERE m.root_id = a.root_id)
    ORDER BY finished_at LIMIT :batch
    """
)

# Children before parents, whose removal would otherwise first cut their children off.
_DROP_AGENTS = text(
    """
    DELETE FROM agents WHERE id IN (
        SELECT id FROM agents a WHERE root_id = ANY(:roots) AND finished_at < :cutoff
          AND NOT EXISTS (SELECT FROM agents f WHERE f.forked_from = a.id)
        ORDER BY id DESC LIMIT :batch FOR UPDATE SKIP LOCKED)
    """
)

_DROP_RUNS = text(
    """
    DELETE FROM schedule_runs WHERE (schedule_id, tick_at) IN (
        SELECT schedule_id, tick_at FROM schedule_runs r
        WHERE tick_at < :cutoff AND NOT EXISTS (SELECT 1 FROM agents a WHERE a.id = r.agent_id)
        LIMIT :batch FOR UPDATE SKIP LOCKED)
    """
)

_MARK = text(
    """
    WITH RECURSIVE live AS (
        SELECT digest FROM (
            SELECT prompt AS digest FROM syscalls WHERE prompt IS NOT NULL
            UNION SELECT context FROM syscalls WHERE context IS NOT NULL) AS used
        UNION
        SELECT c.parent FROM live JOIN contexts c ON c.digest = live.digest WHERE c.parent IS NOT NULL
    )
    SELECT digest FROM contexts c
    WHERE used_at < :cutoff AND NOT EXISTS (SELECT 1 FROM live WHERE live.digest = c.digest)
    ORDER BY length DESC LIMIT :most
    """
)

_LOCK_CONTEXTS = text(
    """
    SELECT digest, parent FROM contexts WHERE digest = ANY(:digests) AND used_at < :cutoff FOR UPDATE SKIP LOCKED
    """
)

_BUILT_UPON = text("SELECT DISTINCT parent FROM contexts WHERE parent = ANY(:digests) AND digest <> ALL(:digests)")

_DROP_CONTEXTS = text("DELETE FROM contexts WHERE digest = ANY(:digests)")

_LOCK_BLOBS = text(
    """
    SELECT digest FROM blobs b
    WHERE created_at < :cutoff AND NOT EXISTS (SELECT 1 FROM file_versions v WHERE v.digest = b.digest)
    LIMIT :batch FOR UPDATE SKIP LOCKED
    """
)

_DROP_BLOBS = text(
    """
    DELETE FROM blobs b
    WHERE digest = ANY(:digests) AND NOT EXISTS (SELECT 1 FROM file_versions v WHERE v.digest = b.digest)
    """
)


def cutoff(tx: Transaction, age: timedelta) -> datetime:
    """The instant that lies `age` back."""
    found: datetime = tx.execute(text("SELECT clock_timestamp() - CAST(:age AS interval)"), {"age": age}).scalar_one()
    return found


def drop_agents(tx: Transaction, *, before: datetime) -> int:
    """Remove agents whose whole tree had ended by then; gives how many, 0 when no more are found.

    A tree goes as one: an agent that lives may yet wait for a child that ended long ago, or be charged for its tokens.
    """
    tx.execute(_ONE_AT_A_TIME)
    batch = BATCH // 10
    roots = list(tx.execute(_ENDED_TREES, {"cutoff": before, "batch": batch}).scalars())
    return tx.execute(_DROP_AGENTS, {"roots": roots, "cutoff": before, "batch": batch}).rowcount if roots else 0


def drop_runs(tx: Transaction, *, before: datetime) -> int:
    """Remove what schedules did before then, where the agent is gone; gives how many."""
    return tx.execute(_DROP_RUNS, {"cutoff": before, "batch": BATCH}).rowcount


def dead_contexts(tx: Transaction, *, before: datetime) -> list[bytes]:
    """Digests of contexts that no syscall reaches and that were last used before then, longest conversations first."""
    tx.exec_driver_sql("SET LOCAL statement_timeout = '10min'")  # it reads the whole journal; nobody waits for it
    return list(map(bytes, tx.execute(_MARK, {"cutoff": before, "most": _MOST_DEAD}).scalars()))


def sweep_contexts(tx: Transaction, digests: Sequence[bytes], *, before: datetime) -> int:
    """Remove those of the marked contexts that are still unused; gives how many.

    Whoever uses a context again makes it young first, or holds it now; such a one is passed over, and all that it is built
    upon stays with it.
    """
    locked = tx.execute(_LOCK_CONTEXTS, {"digests": list(digests), "cutoff": before}).all()
    if not locked:
        return 0
    built_upon = tx.execute(_BUILT_UPON, {"digests": [row.digest for row in locked]}).scalars()
    doomed = _without_chains(locked, map(bytes, built_upon))
    return tx.execute(_DROP_CONTEXTS, {"digests": doomed}).rowcount


def drop_blobs(tx: Transaction, *, before: datetime) -> int:
    """Remove blobs older than that which no version of a file refers to; gives how many."""
    found = list(tx.execute(_LOCK_BLOBS, {"cutoff": before, "batch": BATCH}).scalars())
    return tx.execute(_DROP_BLOBS, {"digests": found}).rowcount if found else 0


def _without_chains(locked: Iterable[Row[tuple[bytes, bytes | None]]], kept: Iterable[bytes]) -> list[bytes]:
    """The locked contexts but for those in `kept` and what these are built upon."""
    parents = {bytes(row.digest): bytes(row.parent) if row.parent is not None else None for row in locked}
    for digest in kept:
        step: bytes | None = digest
        while step is not None and step in parents:
            step = parents.pop(step)
    return list(parents)
