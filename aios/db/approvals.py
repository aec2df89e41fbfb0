"""Approvals: questions to a human about syscalls that wait, and the answers. Nothing of it holds a slot or a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from aios.kernel.approval import File

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from aios.db.session import Transaction
    from aios.kernel.values import Json, JsonObject

BATCH: Final = 200

_COLUMNS = """
    q.id, q.agent_id, q.syscall_id, a.program, q.kind, q.operation, q.resource, q.arguments, q.edited, q.version, q.state,
    q.note, q.decided_by, q.created_at, q.expires_at, q.decided_at
"""

_LIST = text(
    f"""
    SELECT {_COLUMNS} FROM approvals q JOIN syscalls s ON s.id = q.syscall_id JOIN agents a ON a.id = q.agent_id
    WHERE (:every OR (q.state = 'waiting' AND s.state = 'waiting'))
      AND (CAST(:agent AS uuid) IS NULL OR q.agent_id = :agent)
    ORDER BY q.created_at, q.id LIMIT :limit
    """  # noqa: S608  # fragments of ours
)

_MATCHING = text(
    """
    SELECT id FROM approvals WHERE CAST(id AS text) LIKE :part || '%' OR CAST(id AS text) LIKE '%' || :part
    ORDER BY created_at DESC LIMIT 2
    """
)

_AGENT = text("SELECT a.id FROM agents a JOIN approvals q ON q.agent_id = a.id WHERE q.id = :id FOR NO KEY UPDATE OF a")

_GET = text(
    f"""
    SELECT {_COLUMNS}, q.digest, s.pool, s.op, s.payload, s.state AS syscall_state, a.priority, a.tenant, a.owner, a.groups
    FROM approvals q JOIN syscalls s ON s.id = q.syscall_id JOIN agents a ON a.id = q.agent_id
    WHERE q.id = :id FOR NO KEY UPDATE OF q
    """  # noqa: S608  # fragments of ours
)

_DECIDE = text(
    """
    UPDATE approvals SET state = :state, note = :note, decided_by = :by, decided_at = clock_timestamp(),
        edited = :edited, digest = COALESCE(:digest, digest), version = :version
    WHERE id = :id AND state = 'waiting' RETURNING 1
    """
).bindparams(bindparam("edited", type_=JSONB(none_as_null=True)))

_LET_GO = text(
    """
    UPDATE syscalls SET state = 'queued', approval = :approval, payload = :payload, queued_at = clock_timestamp()
    WHERE id = :id AND state = 'waiting' RETURNING 1
    """
).bindparams(bindparam("payload", type_=JSONB(none_as_null=False)))

# A worker that finds out only when it executes that a human must be asked: the claim ends, the syscall waits.
_PARK = text(
    """
    WITH parked AS (
        UPDATE syscalls SET state = 'waiting', claim_token = NULL, incarnation = NULL, deadline_at = NULL
        WHERE id = :syscall AND claim_token = :token AND state = 'running' RETURNING id
    ), question AS (
        INSERT INTO approvals (id, agent_id, syscall_id, kind, operation, resource, arguments, digest, expires_at)
        SELECT :id, :agent, parked.id, :kind, :operation, :resource, :arguments, :digest,
               CASE WHEN :seconds > 0 THEN clock_timestamp() + make_interval(secs => :seconds) END FROM parked
    ), noted AS (
        INSERT INTO audit_log (actor, action, resource, agent_id, detail)
        SELECT 'agent:' || CAST(CAST(:agent AS uuid) AS text), 'approval.asked', :resource, :agent, :detail FROM parked
    )
    SELECT id FROM parked
    """
).bindparams(
    bindparam("arguments", type_=JSONB(none_as_null=False)), bindparam("detail", type_=JSONB(none_as_null=False))
)

_FILE = text(
    """
    SELECT f.version, v.agent_id, f.deleted FROM files f JOIN file_versions v ON v.file_id = f.id AND v.version = f.version
    WHERE f.path = :path
    """
)

# Apart from the above: it waits for who writes the file now, and then would not see the version that he made.
_LOCK_FILE = text("SELECT 1 FROM files WHERE path = :path FOR NO KEY UPDATE")

_EXPIRED = text(
    """
    SELECT q.id FROM approvals q JOIN syscalls s ON s.id = q.syscall_id AND s.state = 'waiting'
    WHERE q.state = 'waiting' AND q.expires_at <= clock_timestamp() ORDER BY q.expires_at LIMIT :batch
    """
)


def listing(tx: Transaction, *, agent: UUID | None = None, every: bool = False, limit: int = 1000) -> list[JsonObject]:
    """Questions that wait, oldest first; with `every` those that were decided too."""
    return [dict(row) for row in tx.execute(_LIST, {"agent": agent, "every": every, "limit": limit}).mappings()]


def matching(tx: Transaction, part: str) -> list[UUID]:
    """Approvals whose id begins or ends with `part`, two at most."""
    return list(tx.execute(_MATCHING, {"part": part}).scalars())


def lock(tx: Transaction, approval: UUID) -> JsonObject | None:
    """One approval with its syscall and its agent, whose rows nobody changes until the transaction ends."""
    tx.execute(_AGENT, {"id": approval})
    return get(tx, approval)


def get(tx: Transaction, approval: UUID) -> JsonObject | None:
    """One approval with its syscall and its agent's access."""
    row = tx.execute(_GET, {"id": approval}).mappings().first()
    return None if row is None else dict(row)


def decide(
    tx: Transaction,
    approval: UUID,
    *,
    state: str,
    by: str,
    note: str = "",
    edited: Json = None,
    digest: bytes | None = None,
    version: int | None = None,
) -> bool:
    """Record the answer; False: there is one already."""
    values = {
        "id": approval,
        "state": state,
        "by": by,
        "note": note,
        "edited": edited,
        "digest": digest,
        "version": version,
    }
    return tx.execute(_DECIDE, values).first() is not None


def let_go(tx: Transaction, syscall: UUID, *, approval: UUID, payload: JsonObject) -> bool:
    """Queue a syscall that waited; False: it waits no longer."""
    return tx.execute(_LET_GO, {"id": syscall, "approval": approval, "payload": payload}).first() is not None


def park(tx: Transaction, row: JsonObject) -> bool:
    """Make a running syscall wait for a human; False when the claim is no longer ours and nothing was written."""
    return tx.execute(_PARK, row).first() is not None


def file(tx: Transaction, path: str, *, lock: bool = False) -> File:
    """What is there at a path; with `lock` nobody changes it until the transaction ends. What is not there cannot be held."""
    if lock and tx.execute(_LOCK_FILE, {"path": path}).first() is None:
        return File()
    row = tx.execute(_FILE, {"path": path}).first()
    return File() if row is None else File(row.version, str(row.agent_id) if row.agent_id else None, row.deleted)


def expired(tx: Transaction) -> list[UUID]:
    """Questions whose time has passed, some of them."""
    return list(tx.execute(_EXPIRED, {"batch": BATCH}).scalars())


def clock(tx: Transaction) -> datetime:
    """The database's time."""
    now: datetime = tx.execute(text("SELECT clock_timestamp()")).scalar_one()
    return now
