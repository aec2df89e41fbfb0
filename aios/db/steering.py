"""Steering agents from outside: pause, resume, and another priority; each for an agent and its descendants."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import text

from aios.db.syscalls import Link
from aios.errors import AgentEnded, NotFound
from aios.kernel.words import SyscallState

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from aios.db.session import Transaction

_TREE = """
    WITH RECURSIVE tree AS (
        SELECT id FROM agents WHERE id = :id
        UNION ALL
        SELECT a.id FROM agents a JOIN tree ON a.parent_id = tree.id
    ), locked AS (
        SELECT id FROM agents WHERE id IN (SELECT id FROM tree) AND state = ANY(:states) ORDER BY id FOR NO KEY UPDATE
    )
"""

_PAUSE = text(
    f"{_TREE} UPDATE agents a SET state = 'paused' FROM locked WHERE a.id = locked.id RETURNING a.id"  # noqa: S608  # fragments of ours
)

_RESUME = text(
    f"""{_TREE}
    UPDATE agents a SET state = CASE WHEN a.driver IS NOT NULL THEN 'running' WHEN a.runnable THEN 'queued' ELSE 'waiting' END
    FROM locked WHERE a.id = locked.id RETURNING a.id
    """  # noqa: S608  # fragments of ours
)

_NICE = text(
    f"{_TREE} UPDATE agents a SET priority = :priority FROM locked WHERE a.id = locked.id RETURNING a.id"  # noqa: S608  # fragments of ours
)

_NICE_SYSCALLS = text(
    """
    UPDATE syscalls s SET priority = :priority FROM requests r
    WHERE r.agent_id = ANY(:agents) AND s.request_id = r.id AND s.state IN ('blocked', 'queued')
    """
)

_RUNNABLE = text(
    """
    SELECT id, priority FROM agents
    WHERE id = ANY(:agents) AND runnable AND driver IS NULL AND state IN ('queued', 'waiting') ORDER BY id
    """
)

_QUEUED = text(
    """
    SELECT s.request_id, s.pool, s.op, s.id, s.priority, s.state FROM requests r JOIN syscalls s ON s.request_id = r.id
    WHERE r.agent_id = ANY(:agents) AND s.state IN ('queued', 'blocked')
      AND (s.not_before IS NULL OR s.not_before <= clock_timestamp())
    ORDER BY s.request_id, s.position
    """
)

_STATE = text("SELECT state FROM agents WHERE id = :id")

_LIVE = ["queued", "running", "waiting", "paused"]


class Waiting(NamedTuple):
    """What steered agents have that could run now.

    Attributes:
        agents: (id, priority) of those that wait for a driver.
        chains: (priority, links) of each plan whose next link is queued.
    """

    agents: list[tuple[UUID, int]]
    chains: list[tuple[int, list[Link]]]


def pause(tx: Transaction, agent: UUID) -> list[UUID]:
    """Start nothing more of an agent and its descendants; what runs ends. Gives those that were not paused before.

    Raises:
        NotFound: there is no such agent.
        AgentEnded: it has ended.
    """
    return _steer(tx, agent, list(tx.execute(_PAUSE, {"id": agent, "states": _LIVE[:3]}).scalars()))


def resume(tx: Transaction, agent: UUID) -> list[UUID]:
    """Let a paused agent and its descendants go on; gives those that were paused.

    Raises:
        NotFound: there is no such agent.
        AgentEnded: it has ended.
    """
    return _steer(tx, agent, list(tx.execute(_RESUME, {"id": agent, "states": ["paused"]}).scalars()))


def nice(tx: Transaction, agent: UUID, *, priority: int) -> list[UUID]:
    """Give an agent and its descendants, and what they have queued, another priority.

    Raises:
        NotFound: there is no such agent.
        AgentEnded: it has ended.
    """
    steered = list(tx.execute(_NICE, {"id": agent, "states": _LIVE, "priority": priority}).scalars())
    tx.execute(_NICE_SYSCALLS, {"agents": steered, "priority": priority})
    return _steer(tx, agent, steered)


def waiting(tx: Transaction, agents: Sequence[UUID]) -> Waiting:
    """What could run now of these agents, to be rung."""
    runnable = [(row.id, row.priority) for row in tx.execute(_RUNNABLE, {"agents": list(agents)})]
    chains: dict[UUID, tuple[int, list[Link]]] = {}
    for row in tx.execute(_QUEUED, {"agents": list(agents)}):
        if row.request_id in chains or row.state == SyscallState.QUEUED:  # else an earlier link still runs
            chains.setdefault(row.request_id, (row.priority, []))[1].append(Link(row.pool, row.op, row.id))
    return Waiting(runnable, list(chains.values()))


def _steer(tx: Transaction, agent: UUID, steered: list[UUID]) -> list[UUID]:
    if not steered:
        state = tx.execute(_STATE, {"id": agent}).scalar()
        if state is None:
            raise NotFound("agent", str(agent))
        if state not in _LIVE:
            raise AgentEnded(str(agent), state)
    return steered
