"""What recovery finds: the dead, the due, the overdue and the forgotten. One process at a time looks, under a lock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from sqlalchemy import text

from aios.db.agents import payer_in
from aios.db.settlement import Link

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy import Row

    from aios.db.session import Transaction
    from aios.kernel.policy import Payer

T = TypeVar("T")

BATCH = 500
"""Rows that one tick touches of each kind at most: a tick stays short however much there is to do."""

_LOCK = text("SELECT pg_try_advisory_xact_lock(8101)")

_TICK = text(
    """
    UPDATE recovery SET
        resumed_at = CASE WHEN ticked_at < clock_timestamp() - make_interval(secs => :gap)
                          THEN clock_timestamp() ELSE resumed_at END,
        ticked_at = clock_timestamp()
    RETURNING resumed_at < clock_timestamp() - make_interval(secs => :lease)
          AND pg_postmaster_start_time() < clock_timestamp() - make_interval(secs => :lease)
    """
)

_DEAD = text(
    """
    SELECT incarnation FROM workers
    WHERE alive_until = '-infinity' OR (:settled AND alive_until < clock_timestamp())
    UNION -- a process that was stopped may claim once more after its row has been removed
    SELECT s.incarnation FROM syscalls s
    WHERE s.state = 'running' AND NOT EXISTS (SELECT FROM workers w WHERE w.incarnation = s.incarnation)
    UNION
    SELECT a.driver FROM agents a
    WHERE a.driver IS NOT NULL AND NOT EXISTS (SELECT FROM workers w WHERE w.incarnation = a.driver)
    """
)

_HELD = text(
    """
    SELECT id, agent_id, claim_token, pool, op, effect, crashes FROM syscalls
    WHERE state = 'running' AND incarnation = :dead ORDER BY agent_id, id LIMIT :batch
    """
)

_TAKE_BACK = text(
    """
    WITH lost AS (
        SELECT s.id FROM unnest(CAST(:ids AS uuid[]), CAST(:tokens AS uuid[])) AS held (id, token)
        JOIN syscalls s ON s.id = held.id AND s.claim_token = held.token AND s.state = 'running'
        ORDER BY s.agent_id, s.id FOR NO KEY UPDATE OF s
    )
    UPDATE syscalls SET state = 'queued', claim_token = NULL, incarnation = NULL, crashes = crashes + 1
    -- its place in the line stays
    FROM lost WHERE syscalls.id = lost.id
    """
)

_DRIVEN = text("SELECT id, crashes FROM agents WHERE driver = :dead ORDER BY id LIMIT :batch")

_DRIVE_AGAIN = text(
    """
    UPDATE agents SET driver = NULL, runnable = true, crashes = crashes + 1,
        state = CASE WHEN state = 'running' THEN 'queued' ELSE state END
    WHERE id = :id AND driver = :dead RETURNING priority
    """
)

_TIMERS = text(
    """
    SELECT id, agent_id FROM syscalls
    WHERE state = 'waiting' AND pool = 'agent' AND not_before <= clock_timestamp() ORDER BY not_before LIMIT :batch
    """
)

_WAITS = text(
    """
    SELECT s.id, s.agent_id, c.id AS child, c.state, c.result, c.error
    FROM syscalls s JOIN agents c ON c.id = s.waits_for
    WHERE s.state = 'waiting' AND s.waits_for IS NOT NULL AND c.state IN ('done', 'failed', 'cancelled')
      AND (CAST(:child AS uuid) IS NULL OR s.waits_for = :child)
    ORDER BY s.agent_id, s.id LIMIT :batch
    """
)

_OVERDUE = text(
    """
    SELECT id, agent_id, claim_token, pool, op, seconds FROM syscalls
    WHERE state = 'running' AND deadline_at < clock_timestamp() - make_interval(secs => :lease)
    ORDER BY agent_id, id LIMIT :batch
    """
)

_OVERRUN = text(
    """
    SELECT id, budgets ->> 'seconds' AS seconds FROM agents
    WHERE deadline_at < clock_timestamp() AND state IN ('queued', 'running', 'waiting', 'paused') ORDER BY id LIMIT :batch
    """
)

_QUEUED = text(
    """
    SELECT s.id, s.priority, s.request_id, s.agent_id, a.root_id, a.tenant, a.owner, a.program,
           extract(epoch FROM clock_timestamp() - s.queued_at)::float AS age
    FROM syscalls s JOIN agents a ON a.id = s.agent_id
    WHERE s.state = 'queued' AND a.state IN ('queued', 'running', 'waiting')
      AND (s.not_before IS NULL OR s.not_before <= clock_timestamp())
      AND (s.not_before IS NOT NULL OR s.queued_at < clock_timestamp() - make_interval(secs => :age))
      AND s.id > :after
    ORDER BY s.id LIMIT :batch
    """
)

_LINKS = text(
    """
    SELECT request_id, pool, op, id, limit_key, tokens FROM syscalls
    WHERE request_id = ANY(:requests) AND state IN ('queued', 'blocked') ORDER BY request_id, position
    """
)

_RUNNABLE = text(
    """
    SELECT id, id AS agent_id, priority, root_id, tenant, owner, program,
           CASE WHEN started_at IS NULL THEN extract(epoch FROM clock_timestamp() - created_at)::float ELSE 0 END AS age
    FROM agents
    WHERE runnable AND driver IS NULL AND state IN ('queued', 'waiting') AND id > :after
    ORDER BY id LIMIT :batch
    """
)

_STILL_WAITING = text(
    """
    SELECT id FROM syscalls WHERE id = ANY(CAST(:ids AS uuid[])) AND state = 'queued'
    UNION ALL
    SELECT id FROM agents WHERE id = ANY(CAST(:ids AS uuid[])) AND runnable AND driver IS NULL
    """
)

_RUNNING = text(
    """
    SELECT s.id, s.priority, s.pool, s.op, s.limit_key, s.tokens, s.agent_id, a.root_id, a.tenant, a.owner, a.program,
           extract(epoch FROM clock_timestamp() - s.queued_at)::float AS age
    FROM syscalls s JOIN agents a ON a.id = s.agent_id WHERE s.state = 'running' LIMIT 10000
    """
)


class Dead(NamedTuple):
    """A running syscall whose worker died."""

    id: UUID
    agent_id: UUID
    token: UUID
    pool: str
    op: str
    effect: str
    crashes: int


class Page(NamedTuple, Generic[T]):
    """Some of many rows; `last` is the id to go on after, None at the end."""

    rows: list[T]
    last: UUID | None


class Waiting(NamedTuple):
    """A chain of queued syscalls that should be ready or granted, or an agent that waits for a driver.

    Attributes:
        links: none: it is an agent.
    """

    id: UUID
    priority: int
    payer: Payer
    age_seconds: float
    links: tuple[Link, ...] = ()


def lock(tx: Transaction) -> bool:
    """Whether this process may do the tick; held until the transaction ends."""
    return bool(tx.execute(_LOCK).scalar())


def hold(tx: Transaction) -> None:
    """Keep the lock: Postgres ends a transaction in which nothing is done for some seconds, and the lock with it.

    Raises (once it leaves the transaction):
        DatabaseUnavailable: that has happened, and another process may do the tick by now.
    """
    tx.exec_driver_sql("SELECT 1")


def tick(tx: Transaction, *, lease_seconds: float) -> bool:
    """Record that a tick begins; True when leases may expire: ticks and Postgres have been there for one lease.

    Ticks that failed for a third of a lease tell that heartbeats failed as well: a live worker's lease may have ended.
    """
    return bool(tx.execute(_TICK, {"lease": lease_seconds, "gap": lease_seconds / 3}).scalar())


def ticked(tx: Transaction) -> None:
    """Record that a tick ended: one that takes long is no gap."""
    tx.execute(text("UPDATE recovery SET ticked_at = clock_timestamp()"))


def dead(tx: Transaction, *, settled: bool) -> list[UUID]:
    """Incarnations that were released, and when `settled` those whose lease ended."""
    return list(tx.execute(_DEAD, {"settled": settled}).scalars())


def held_by(tx: Transaction, incarnation: UUID) -> list[Dead]:
    """The running syscalls of a dead incarnation."""
    return [Dead(*row) for row in tx.execute(_HELD, {"dead": incarnation, "batch": BATCH})]


def take_back(tx: Transaction, calls: Sequence[Dead]) -> None:
    """Make a dead worker's syscalls ready again, all at once: others of their kind wait for what these still hold."""
    tx.execute(_TAKE_BACK, {"ids": [call.id for call in calls], "tokens": [call.token for call in calls]})


def driven_by(tx: Transaction, incarnation: UUID) -> list[tuple[UUID, int]]:
    """(agent, crashes) of the agents that a dead incarnation drove."""
    return [(row.id, row.crashes) for row in tx.execute(_DRIVEN, {"dead": incarnation, "batch": BATCH})]


def drive_again(tx: Transaction, agent: UUID, *, dead: UUID) -> int | None:
    """Make an agent runnable whose driver died; gives its priority."""
    priority = tx.execute(_DRIVE_AGAIN, {"id": agent, "dead": dead}).scalar()
    return None if priority is None else int(priority)


def timers(tx: Transaction) -> list[tuple[UUID, UUID]]:
    """(syscall, agent) of the sleeps that are over."""
    return [(row.id, row.agent_id) for row in tx.execute(_TIMERS, {"batch": BATCH})]


def waits(tx: Transaction, child: UUID | None = None) -> list[Row[tuple[object, ...]]]:
    """Waits whose child agent has ended: id, agent_id, child, state, result, error."""
    return list(tx.execute(_WAITS, {"child": child, "batch": BATCH}).all())


def overdue(tx: Transaction, *, lease_seconds: float) -> list[Row[tuple[object, ...]]]:
    """Running syscalls past their deadline whose worker did not end them: id, agent_id, claim_token, pool, op, seconds."""
    return list(tx.execute(_OVERDUE, {"lease": lease_seconds, "batch": BATCH}).all())


def overrun(tx: Transaction) -> list[tuple[UUID, float]]:
    """(agent, seconds) of the agents past their wall-time budget."""
    return [(row.id, float(row.seconds)) for row in tx.execute(_OVERRUN, {"batch": BATCH})]


def queued(tx: Transaction, *, older_seconds: float, after: UUID) -> Page[Waiting]:
    """Queued syscalls older than that, with the links behind them, by id from `after` on."""
    rows = tx.execute(_QUEUED, {"age": older_seconds, "after": after, "batch": BATCH}).all()
    links: dict[UUID, list[Link]] = {row.id: [] for row in rows}
    first: dict[UUID, UUID] = {row.request_id: row.id for row in rows}
    for row in tx.execute(_LINKS, {"requests": list(first)}):
        links[first[row.request_id]].append(Link(row.pool, row.op, row.id, row.limit_key, row.tokens))
    # Between the two statements a worker may have claimed the first link: then the rest is not to be rung.
    found = [
        Waiting(row.id, row.priority, payer_in(row), row.age, tuple(links[row.id]))
        for row in rows
        if links[row.id][:1] and links[row.id][0].id == row.id
    ]
    return Page(found, rows[-1].id if len(rows) == BATCH else None)


def runnable(tx: Transaction, *, after: UUID) -> Page[Waiting]:
    """The agents that wait for a driver, by id from `after` on."""
    rows = tx.execute(_RUNNABLE, {"after": after, "batch": BATCH}).all()
    found = [Waiting(row.id, row.priority, payer_in(row), row.age) for row in rows]
    return Page(found, rows[-1].id if len(rows) == BATCH else None)


def agent_of(tx: Transaction, syscall: UUID) -> UUID | None:
    """Whose syscall it is; None when it is gone."""
    return tx.execute(text("SELECT agent_id FROM syscalls WHERE id = :id"), {"id": syscall}).scalar()


def still_waiting(tx: Transaction, ids: Sequence[str]) -> set[str]:
    """Those of the syscalls and agents that still wait to be claimed."""
    return {str(row.id) for row in tx.execute(_STILL_WAITING, {"ids": list(ids)})}


def running(tx: Transaction) -> list[Waiting]:
    """What runs now, each with itself as its only link."""
    return [
        Waiting(
            row.id, row.priority, payer_in(row), row.age, (Link(row.pool, row.op, row.id, row.limit_key, row.tokens),)
        )
        for row in tx.execute(_RUNNING)
    ]


def count(tx: Transaction, **events: int) -> None:
    """Add to the counters `rung_again`, `fenced`, `requeued`, `refused`."""
    changes = ", ".join(f"{name} = {name} + :{name}" for name in events)
    if any(events.values()):
        tx.execute(text(f"UPDATE recovery SET {changes}"), events)  # noqa: S608  # names are ours, values are bound


def counters(tx: Transaction) -> dict[str, int]:
    """The counters since the database was made."""
    row = tx.execute(text("SELECT rung_again, fenced, requeued, refused FROM recovery")).mappings().one()
    return dict(row)
