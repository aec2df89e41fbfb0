"""The audit log: plain inserts in whatever transaction decides, sealed by a tick later, and read back to be verified."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from aios.errors import InvalidArgument
from aios.kernel.audit import START, Entry, link

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from uuid import UUID

    from aios.db.session import Transaction
    from aios.kernel.values import JsonObject

BATCH: Final = 500
_SLOW_ROWS: Final = 5000  # a row may be committed after as many later ones and still be found by the tick

_COLUMNS = "l.id, l.at, l.actor, l.action, l.resource, l.agent_id, l.detail"

_WRITE = text(
    "INSERT INTO audit_log (actor, action, resource, agent_id, detail) VALUES (:actor, :action, :resource, :agent, :detail)"
).bindparams(bindparam("detail", type_=JSONB(none_as_null=False)))

_LIST = text(
    f"""
    SELECT {_COLUMNS}, c.position AS sealed FROM audit_log l LEFT JOIN audit_chain c ON c.entry = l.id
    WHERE (CAST(:action AS text) IS NULL OR l.action = :action OR l.action LIKE :action || '.%')
      AND (CAST(:agent AS uuid) IS NULL OR l.agent_id = :agent)
    ORDER BY l.id DESC LIMIT :limit
    """  # noqa: S608  # fragments of ours
)

_UNSEALED = text(
    f"""
    SELECT {_COLUMNS} FROM audit_log l
    WHERE l.id > COALESCE((SELECT max(entry) FROM audit_chain), 0) - :slow
      AND NOT EXISTS (SELECT FROM audit_chain c WHERE c.entry = l.id)
    ORDER BY l.id LIMIT :batch
    """  # noqa: S608  # fragments of ours
)

_TAIL = text("SELECT position, hash FROM audit_chain ORDER BY position DESC LIMIT 1")

_SEAL = text(
    """
    INSERT INTO audit_chain (position, entry, hash, sealed_at)
    SELECT n.position, n.entry, decode(n.hash, 'hex'), COALESCE(CAST(:at AS timestamptz), :now)
    FROM jsonb_to_recordset(:links) AS n (position bigint, entry bigint, hash text)
    """
).bindparams(bindparam("links", type_=JSONB))

_CHAIN = text(
    f"""
    SELECT c.position, c.entry, c.hash, c.sealed_at, {_COLUMNS} FROM audit_chain c LEFT JOIN audit_log l ON l.id = c.entry
    WHERE c.position > :after ORDER BY c.position LIMIT :batch
    """  # noqa: S608  # fragments of ours
)

_LOOSE = text(
    f"""
    SELECT {_COLUMNS} FROM audit_log l
    WHERE l.id > :after AND NOT EXISTS (SELECT FROM audit_chain c WHERE c.entry = l.id) ORDER BY l.id LIMIT :batch
    """  # noqa: S608  # fragments of ours
)

_LOCK = text("SELECT pg_try_advisory_xact_lock(8103)")
_NOW = text("SELECT clock_timestamp()")
ACTIONS: Final = ("denied", "approval", "granted", "revoked", "joined", "left", "irreversible")
"""What it tells of: each row's action is one of these, perhaps with a point and more behind it."""

_ROW = ("id", "at", "actor", "action", "resource", "agent_id", "detail")


def write(
    tx: Transaction,
    *,
    actor: str,
    action: str,
    resource: str,
    agent: UUID | None = None,
    detail: JsonObject | None = None,
) -> None:
    """Add a row, in the transaction that decides what it tells of."""
    assert action.partition(".")[0] in ACTIONS, action
    values = {"actor": actor, "action": action, "resource": resource, "agent": agent, "detail": detail or {}}
    tx.execute(_WRITE, values)


def listing(
    tx: Transaction, *, action: str | None = None, agent: UUID | None = None, limit: int = 100
) -> list[JsonObject]:
    """The newest rows, newest first; `sealed` is the position in the chain. `approval` finds `approval.asked` too.

    Raises:
        InvalidArgument: there is no such action.
    """
    if action is not None and action.partition(".")[0] not in ACTIONS:
        raise InvalidArgument("action", action, "give one of " + ", ".join(ACTIONS))
    return [dict(row) for row in tx.execute(_LIST, {"action": action, "agent": agent, "limit": limit}).mappings()]


def seal(tx: Transaction) -> int:
    """Chain the rows that are in no chain yet, a batch at most; gives how many. One process at a time; writers never wait."""
    if not tx.execute(_LOCK).scalar():
        return 0
    now = tx.execute(_NOW).scalar_one()
    rows = [dict(row) for row in tx.execute(_UNSEALED, {"slow": _SLOW_ROWS, "batch": BATCH}).mappings()]
    if not rows:
        return 0
    tail = tx.execute(_TAIL).first()
    position, before = (tail.position, bytes(tail.hash)) if tail else (0, START)
    links: list[JsonObject] = []
    for place, row in enumerate(rows, position + 1):
        before = link(before, row)
        links.append({"position": place, "entry": row["id"], "hash": before.hex()})
    # What a full batch has left behind it is younger than its youngest row, not than now.
    full = max(row["at"] for row in rows) if len(rows) == BATCH else None
    tx.execute(_SEAL, {"links": links, "at": full, "now": now})
    return len(rows)


def entries(tx: Transaction) -> Iterator[Entry]:
    """The whole chain with its rows, then the rows that are in no chain; read in batches."""
    after, found = 0, True
    while found:
        found = False
        for row in tx.execute(_CHAIN, {"after": after, "batch": BATCH}).mappings():
            found, after = True, row["position"]
            whole = None if row["id"] is None else {name: row[name] for name in _ROW}
            yield Entry(whole, row["position"], row["entry"], bytes(row["hash"]), row["sealed_at"])
    after, found = 0, True
    while found:
        found = False
        for row in tx.execute(_LOOSE, {"after": after, "batch": BATCH}).mappings():
            found, after = True, row["id"]
            yield Entry(dict(row))


def clock(tx: Transaction) -> datetime:
    """The database's time."""
    now: datetime = tx.execute(_NOW).scalar_one()
    return now
