"""Steering agents from outside: pause, resume, cancel, another priority; for one and its descendants, or a group or tenant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from aios.db.agents import payer_in
from aios.db.recovery import Waiting
from aios.db.settlement import Link
from aios.errors import AgentEnded, NotFound
from aios.kernel.words import SyscallState

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy import TextClause

    from aios.db.session import Transaction
    from aios.kernel.values import JsonObject

_FOUND = {
    "agent": """
        WITH RECURSIVE found AS (
            SELECT id FROM agents WHERE id = :name
            UNION ALL
            SELECT a.id FROM agents a JOIN found ON a.parent_id = found.id
        )""",
    "tenant": "WITH found AS (SELECT id FROM agents WHERE tenant = :name AND state = ANY(:states))",
    "group": "WITH found AS (SELECT id FROM agents WHERE :name = ANY(groups) AND state = ANY(:states))",
}
"""Which agents a name means: one with its descendants, or all of a tenant or group."""

_LOCKED = """
    , locked AS (
        SELECT id FROM agents WHERE id IN (SELECT id FROM found) AND state = ANY(:states) ORDER BY id FOR NO KEY UPDATE
    )
"""


def _each(change: str) -> dict[str, TextClause]:
    return {
        kind: text(f"{found} {_LOCKED} UPDATE agents a SET {change} FROM locked WHERE a.id = locked.id RETURNING a.id")  # noqa: S608  # fragments of ours
        for kind, found in _FOUND.items()
    }


_PAUSE = _each("state = 'paused'")
_RESUME = _each(
    "state = CASE WHEN a.driver IS NOT NULL THEN 'running' WHEN a.runnable THEN 'queued' ELSE 'waiting' END"
)
_CANCEL = _each("state = 'cancelled', runnable = false, driver = NULL, finished_at = clock_timestamp()")
_NICE = _each("priority = :priority")

# Whoever submits has read the holds, and so keeps this from going on until what it submits is there to be found (or sees it).
_ALONE = text("LOCK TABLE holds IN ACCESS EXCLUSIVE MODE")
_HOLD = text("INSERT INTO holds (kind, name) VALUES (:kind, :name) ON CONFLICT DO NOTHING")
_LET_GO = text("DELETE FROM holds WHERE kind = :kind AND name = :name")
_HOLDS = text("SELECT kind, name FROM holds ORDER BY kind, name")

_NICE_SYSCALLS = text(
    """
    UPDATE syscalls s SET priority = :priority FROM requests r
    WHERE r.agent_id = ANY(:agents) AND s.request_id = r.id AND s.state IN ('blocked', 'queued')
    """
)

_RUNNABLE = text(
    """
    SELECT id, id AS agent_id, priority, root_id, tenant, owner, program,
           CASE WHEN started_at IS NULL THEN extract(epoch FROM clock_timestamp() - created_at)::float ELSE 0 END AS age
    FROM agents
    WHERE id = ANY(:agents) AND runnable AND driver IS NULL AND state IN ('queued', 'waiting') ORDER BY id
    """
)

_QUEUED = text(
    """
    SELECT s.request_id, s.pool, s.op, s.id, s.limit_key, s.tokens, s.priority, s.state,
           s.agent_id, a.root_id, a.tenant, a.owner, a.program,
           extract(epoch FROM clock_timestamp() - s.queued_at)::float AS age
    FROM requests r JOIN syscalls s ON s.request_id = r.id JOIN agents a ON a.id = r.agent_id
    WHERE r.agent_id = ANY(:agents) AND s.state IN ('queued', 'blocked')
      AND (s.not_before IS NULL OR s.not_before <= clock_timestamp())
    ORDER BY s.request_id, s.position
    """
)

_STATE = text("SELECT state FROM agents WHERE id = :id")

_LIVE = ["queued", "running", "waiting", "paused"]


def pause(tx: Transaction, agent: UUID) -> list[UUID]:
    """Start nothing more of an agent and its descendants; what runs ends. Gives those that were not paused before.

    Raises:
        NotFound: there is no such agent.
        AgentEnded: it has ended.
    """
    return _steer(tx, agent, _reached(tx, _PAUSE["agent"], {"name": agent, "states": _LIVE[:3]}))


def resume(tx: Transaction, agent: UUID) -> list[UUID]:
    """Let a paused agent and its descendants go on; gives those that were paused.

    Raises:
        NotFound: there is no such agent.
        AgentEnded: it has ended.
    """
    return _steer(tx, agent, _reached(tx, _RESUME["agent"], {"name": agent, "states": ["paused"]}))


def pause_all(tx: Transaction, kind: str, name: str) -> list[UUID]:
    """Start nothing more of a group's or tenant's agents, nor of those that are submitted until it is resumed."""
    tx.execute(_ALONE)
    tx.execute(_HOLD, {"kind": kind, "name": name})
    return _reached(tx, _PAUSE[kind], {"name": name, "states": _LIVE[:3]})


def resume_all(tx: Transaction, kind: str, name: str) -> list[UUID]:
    """Let a group's or tenant's agents go on, those included that were paused one by one."""
    tx.execute(_ALONE)
    tx.execute(_LET_GO, {"kind": kind, "name": name})
    return _reached(tx, _RESUME[kind], {"name": name, "states": ["paused"]})


def cancel_all(tx: Transaction, kind: str, name: str) -> list[UUID]:
    """Cancel all agents of a group or tenant that have not ended; their open syscalls are left to `agents.drop_open`."""
    return _reached(tx, _CANCEL[kind], {"name": name, "states": _LIVE})


def holds(tx: Transaction) -> list[tuple[str, str]]:
    """(kind, name) of the groups and tenants that are paused."""
    return [(row.kind, row.name) for row in tx.execute(_HOLDS)]


def nice(tx: Transaction, agent: UUID, *, priority: int) -> list[UUID]:
    """Give an agent and its descendants, and what they have queued, another priority.

    Raises:
        NotFound: there is no such agent.
        AgentEnded: it has ended.
    """
    steered = _reached(tx, _NICE["agent"], {"name": agent, "states": _LIVE, "priority": priority})
    tx.execute(_NICE_SYSCALLS, {"agents": steered, "priority": priority})
    return _steer(tx, agent, steered)


def waiting(tx: Transaction, agents: Sequence[UUID]) -> list[Waiting]:
    """What could run now of these agents, to be rung."""
    found = [
        Waiting(row.id, row.priority, payer_in(row), row.age) for row in tx.execute(_RUNNABLE, {"agents": list(agents)})
    ]
    chains: dict[UUID, Waiting] = {}
    for row in tx.execute(_QUEUED, {"agents": list(agents)}):
        link = Link(row.pool, row.op, row.id, row.limit_key, row.tokens)
        if (known := chains.get(row.request_id)) is not None:
            chains[row.request_id] = known._replace(links=(*known.links, link))
        elif row.state == SyscallState.QUEUED:  # else an earlier link still runs
            chains[row.request_id] = Waiting(row.id, row.priority, payer_in(row), row.age, (link,))
    return [*found, *chains.values()]


def _reached(tx: Transaction, change: TextClause, values: JsonObject) -> list[UUID]:
    """Those that a change reaches, once more until there is nobody new.

    While it waited for a parent's row a child may have been started, which it did not see.
    """
    reached: set[UUID] = set()
    while found := set(tx.execute(change, values).scalars()) - reached:
        reached |= found
    return sorted(reached)


def _steer(tx: Transaction, agent: UUID, steered: list[UUID]) -> list[UUID]:
    if not steered:
        state = tx.execute(_STATE, {"id": agent}).scalar()
        if state is None:
            raise NotFound("agent", str(agent))
        if state not in _LIVE:
            raise AgentEnded(str(agent), state)
    return steered
