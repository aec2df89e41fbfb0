"""The statements of working memory. These rows are the truth; what Redis holds are copies of some of them."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import Row, bindparam, text
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

from aios.db.agents import owning
from aios.kernel.ports import Clauses
from aios.memory.namespace import owner_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from typing import Any

    from aios.db.session import Transaction
    from aios.kernel.values import Json

_COLUMNS = "name, value, bytes, capacity, pinned, version, updated_at"

_LOCK = text(f"SELECT {_COLUMNS} FROM memory_blocks WHERE namespace = :namespace AND name = :name FOR UPDATE")  # noqa: S608  # our columns

_MAKE = text(
    f"""
    INSERT INTO memory_blocks (namespace, name, agent_id, value, bytes)
    VALUES (:namespace, :name, :agent, NULL, 0) ON CONFLICT DO NOTHING RETURNING {_COLUMNS}
    """  # noqa: S608  # our columns
).bindparams(bindparam("agent", type_=PG_UUID))

_STORE = text(
    """
    UPDATE memory_blocks SET value = :value, bytes = :bytes, capacity = :capacity, pinned = :pinned,
        version = version + :step, updated_at = clock_timestamp()
    WHERE namespace = :namespace AND name = :name RETURNING version
    """
)

# The usual write: nothing about the block keeps it from being written, and the namespace is far from full.
_WRITE = """
    effect AS (
        INSERT INTO memory_blocks AS b (namespace, name, agent_id, value, bytes)
        SELECT :namespace, :name, CAST(:owner AS uuid), :value, :bytes FROM mine
        WHERE EXISTS (SELECT 1 FROM memory_blocks WHERE namespace = :namespace AND name = :name)
           OR (SELECT count(*) FROM (SELECT 1 FROM memory_blocks WHERE namespace = :namespace LIMIT :room) AS few) < :room
        ON CONFLICT (namespace, name) DO UPDATE
        SET value = excluded.value, bytes = excluded.bytes, version = b.version + 1, updated_at = clock_timestamp()
        WHERE NOT b.pinned AND (b.capacity IS NULL OR b.capacity >= excluded.bytes)
        RETURNING jsonb_build_object('version', b.version) AS result
    )
"""

# What the asker holds a copy of at this very version need not be sent again.
_READ = text(
    """
    SELECT version, pinned, value IS NULL AS cleared, CASE WHEN version = :known THEN NULL ELSE value END AS value
    FROM memory_blocks WHERE namespace = :namespace AND name = :name
    """
)

_CLEAR = text(
    """
    UPDATE memory_blocks SET value = NULL, bytes = 0, capacity = NULL, pinned = false, version = version + 1,
        updated_at = clock_timestamp()
    WHERE namespace = :namespace AND value IS NOT NULL AND (CAST(:name AS text) IS NULL OR name = :name)
    RETURNING name, version
    """
)

_LIST = text(
    """
    SELECT name, bytes, pinned, version, updated_at FROM memory_blocks
    WHERE namespace = :namespace AND value IS NOT NULL ORDER BY name
    """
)

_SUM = text(
    """
    SELECT count(*) AS blocks, COALESCE(sum(bytes), 0) AS bytes,
           COALESCE(sum(GREATEST(bytes, capacity)) FILTER (WHERE pinned), 0) AS pinned_bytes
    FROM memory_blocks WHERE namespace = :namespace AND value IS NOT NULL
    """
)

_NAMES = text("SELECT name FROM memory_blocks WHERE namespace = :namespace AND value IS NOT NULL LIMIT 1000")

_ALONE = text("SELECT pg_advisory_xact_lock(hashtextextended(:namespace, 0))")

_COUNT = text("SELECT count(*) FROM memory_blocks WHERE namespace = :namespace")


class Held(NamedTuple):
    """A block's row, locked; version 0: it was made just now."""

    value: str | None
    bytes: int
    capacity: int | None
    pinned: bool
    version: int


class Listed(NamedTuple):
    """A block without its value."""

    name: str
    bytes: int
    pinned: bool
    version: int
    updated_at: datetime


class Found(NamedTuple):
    """A block as a reader sees it; `text` is None if the reader's copy is at this version."""

    version: int
    pinned: bool
    text: str | None


def lock(tx: Transaction, namespace: str, name: str) -> Held:
    """The block's row, made if there is none; nobody else changes it before this transaction ends.

    Raises:
        NotFound: the agent whose namespace it is is not there.
    """
    values = {"namespace": namespace, "name": name}
    row = tx.execute(_LOCK, values).one_or_none()
    if row is not None:
        return _held(row)
    owner = owner_of(namespace)
    with owning(owner):
        made = tx.execute(_MAKE, values | {"agent": owner}).one_or_none()
    if made is not None:
        return Held(None, 0, None, pinned=False, version=0)
    return _held(tx.execute(_LOCK, values).one())  # somebody was quicker


def close(tx: Transaction, namespace: str) -> None:
    """Let nobody else who asks for it too add to a namespace before this transaction ends: what is counted now stays so."""
    tx.execute(_ALONE, {"namespace": namespace})


def store(
    tx: Transaction, namespace: str, name: str, *, value: str, capacity: int | None, pinned: bool, new: bool
) -> int:
    """Write a locked block; its version afterwards. `new`: the row was made just now, and is at version 1."""
    values = {
        "namespace": namespace,
        "name": name,
        "value": value,
        "bytes": len(value.encode()),
        "capacity": capacity,
        "pinned": pinned,
        "step": 0 if new else 1,
    }
    return int(tx.execute(_STORE, values).scalar_one())


def writing(namespace: str, name: str, value: str, *, room: int, done: Callable[[Json], None]) -> Clauses:
    """Write a block as part of another statement, unless it is pinned or too small, or the namespace has no room.

    Args:
        namespace: whose block it is.
        name: of the block.
        value: canonical JSON.
        room: so many blocks the namespace may have, far enough from its limit that nobody must be kept out meanwhile.
        done: is told `{"version": ...}`.
    """
    values = {
        "namespace": namespace,
        "name": name,
        "owner": owner_of(namespace),
        "value": value,
        "bytes": len(value.encode()),
        "room": room,
    }
    return Clauses(_WRITE, values, done)


def read(tx: Transaction, namespace: str, name: str, *, known: int) -> Found | None:
    """A block; None if there is none. `known`: the version that the reader has a copy of."""
    row = tx.execute(_READ, {"namespace": namespace, "name": name, "known": known}).one_or_none()
    return None if row is None or row.cleared else Found(row.version, row.pinned, row.value)


def clear(tx: Transaction, namespace: str, name: str | None) -> dict[str, int]:
    """Clear one block or all; their versions afterwards, by name."""
    return {row.name: row.version for row in tx.execute(_CLEAR, {"namespace": namespace, "name": name})}


def listing(tx: Transaction, namespace: str, pattern: str) -> list[Listed]:
    """The blocks whose names match a glob pattern, by name."""
    rows = tx.execute(_LIST, {"namespace": namespace})
    return [Listed(*row) for row in rows if fnmatchcase(row.name, pattern)]


def totals(tx: Transaction, namespace: str) -> tuple[int, int, int]:
    """How many blocks, their bytes, and what the pinned ones may take."""
    row = tx.execute(_SUM, {"namespace": namespace}).one()
    return int(row.blocks), int(row.bytes), int(row.pinned_bytes)


def names(tx: Transaction, namespace: str) -> list[str]:
    """Names of blocks that are there, for messages."""
    return list(tx.execute(_NAMES, {"namespace": namespace}).scalars())


def count(tx: Transaction, namespace: str) -> int:
    """How many rows a namespace has, those of cleared blocks too."""
    return int(tx.execute(_COUNT, {"namespace": namespace}).scalar_one())


def _held(row: Row[tuple[Any, ...]]) -> Held:
    return Held(row.value, row.bytes, row.capacity, row.pinned, row.version)
