"""Incarnations: one row per executing process, kept alive by heartbeats; and the programs they have loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert

from aios.db.tables import programs, workers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from aios.db.session import Transaction
    from aios.kernel.values import JsonObject

_BEAT = text(
    """
    UPDATE workers SET alive_until = clock_timestamp() + make_interval(secs => :lease)
    WHERE incarnation = :incarnation AND alive_until > '-infinity' RETURNING 1
    """
)

_LOST = text(
    """
    SELECT held.token FROM unnest(CAST(:ids AS uuid[]), CAST(:tokens AS uuid[])) AS held (id, token)
    LEFT JOIN syscalls s ON s.id = held.id
    WHERE s.claim_token IS DISTINCT FROM held.token OR s.state <> 'running'
    """
)


_CLAIMS = text(
    """
    SELECT claim_token, NULL::uuid AS agent, NULL::bigint AS epoch FROM syscalls
    WHERE state = 'running' AND incarnation = :incarnation
    UNION ALL
    SELECT NULL, id, epoch FROM agents WHERE driver = :incarnation
    """
)

_GIVE_BACK = text(
    """
    WITH calls AS (
        UPDATE syscalls SET state = 'queued', claim_token = NULL, incarnation = NULL -- its place in the line stays
        WHERE state = 'running' AND incarnation = :incarnation AND claim_token = ANY (CAST(:tokens AS uuid[]))
          AND NOT (:begun AND effect = 'once')
    )
    UPDATE agents SET driver = NULL, runnable = true, state = CASE WHEN state = 'running' THEN 'queued' ELSE state END
    FROM unnest(CAST(:agents AS uuid[]), CAST(:epochs AS bigint[])) AS drive (agent, epoch)
    WHERE agents.id = drive.agent AND agents.epoch = drive.epoch AND agents.driver = :incarnation
    """
)


class DriveClaim(NamedTuple):
    """An agent that an incarnation drives, and since which epoch."""

    agent: UUID
    epoch: int


class Claims(NamedTuple):
    """What an incarnation has claimed."""

    tokens: list[UUID]
    drives: list[DriveClaim]


class Process(NamedTuple):
    """A process that executes syscalls.

    Attributes:
        host: names the machine, its boot and its process ids' namespace.
        born: tells it from a later process with its pid; compared within one host only.
        concurrency: how much it executes at once; 0 for a pool child, whose parent counts it.
    """

    incarnation: UUID
    pools: tuple[str, ...]
    host: str
    pid: int
    born: float
    concurrency: int
    programs: tuple[str, ...] = ()


def register(tx: Transaction, process: Process, *, lease_seconds: float) -> None:
    """Record a new incarnation."""
    row = process._asdict() | {"pools": list(process.pools), "programs": list(process.programs)}
    alive = text("clock_timestamp() + make_interval(secs => :lease)").bindparams(lease=lease_seconds)
    tx.execute(insert(workers).values(**row, alive_until=alive))


def beat(tx: Transaction, incarnation: UUID, *, lease_seconds: float) -> bool:
    """Prove that an incarnation lives; False: it was declared dead."""
    return tx.execute(_BEAT, {"incarnation": incarnation, "lease": lease_seconds}).first() is not None


def lost(tx: Transaction, held: Sequence[tuple[UUID, UUID]]) -> list[UUID]:
    """The tokens of those (syscall, token) that are no longer claimed by it: cancelled, fenced or settled."""
    if not held:
        return []
    values = {"ids": [syscall for syscall, _ in held], "tokens": [token for _, token in held]}
    return list(tx.execute(_LOST, values).scalars())


def claims(tx: Transaction, incarnation: UUID) -> Claims:
    """What an incarnation has claimed and not ended."""
    rows = tx.execute(_CLAIMS, {"incarnation": incarnation}).all()
    tokens = [row.claim_token for row in rows if row.claim_token is not None]
    return Claims(tokens, [DriveClaim(row.agent, row.epoch) for row in rows if row.agent is not None])


def give_back(
    tx: Transaction,
    incarnation: UUID,
    *,
    tokens: Sequence[UUID],
    drives: Sequence[DriveClaim],
    begun: bool = False,
) -> None:
    """Make ready again what was claimed under these tokens and epochs; no error and no crash is counted.

    Args:
        tx: the transaction to do it in.
        incarnation: whose claims they are.
        tokens: of syscalls.
        drives: of agents.
        begun: they may have been executed in part, so that those declared `once` are left as they are.
    """
    values = {"incarnation": incarnation, "tokens": list(tokens), "begun": begun}
    tx.execute(_GIVE_BACK, values | {"agents": [d.agent for d in drives], "epochs": [d.epoch for d in drives]})


def release(tx: Transaction, incarnation: UUID) -> None:
    """Declare an incarnation dead at once: recovery takes its work without waiting for its lease."""
    tx.execute(text("UPDATE workers SET alive_until = '-infinity' WHERE incarnation = :id"), {"id": incarnation})


def leave(tx: Transaction, incarnation: UUID) -> None:
    """Remove an incarnation that holds nothing any more."""
    tx.execute(text("DELETE FROM workers WHERE incarnation = :id"), {"id": incarnation})


def on_host(tx: Transaction, host: str) -> list[tuple[UUID, int, float]]:
    """(incarnation, pid, birth) of the processes of one host."""
    found = tx.execute(text("SELECT incarnation, pid, born FROM workers WHERE host = :host"), {"host": host})
    return [(row.incarnation, row.pid, row.born) for row in found]


def capacity(tx: Transaction) -> dict[str, int]:
    """Live concurrency per pool."""
    found = tx.execute(
        text(
            """
            SELECT pool, sum(concurrency) AS live FROM workers, unnest(pools) AS pool
            WHERE alive_until > clock_timestamp() GROUP BY pool
            """
        )
    )
    return {row.pool: int(row.live) for row in found}


def publish_programs(tx: Transaction, rows: Sequence[JsonObject]) -> None:
    """Tell the process table which programs exist, for `submit` and `aios programs`."""
    for row in rows:
        statement = insert(programs).values(**row)
        changes = {name: statement.excluded[name] for name in row if name != "name"}
        tx.execute(
            statement.on_conflict_do_update(
                index_elements=["name"], set_={**changes, "seen_at": text("clock_timestamp()")}
            )
        )


def known_programs(tx: Transaction) -> list[JsonObject]:
    """The programs that any worker has loaded since the database was made."""
    found = tx.execute(text("SELECT name, version, source, summary, tools, error FROM programs ORDER BY name"))
    return [dict(row) for row in found.mappings()]
