"""Steering agents from outside: pause, resume, and another priority; each for an agent and its descendants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from aios.db.recovery import Waiting
from aios.db.syscalls import Link
from aios.errors import AgentEnded, NotFound
from aios.kernel.policy import Payer
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
    SELECT id, priority, root_id, tenant, program,
           CASE WHEN started_at IS NULL THEN extract(epoch FROM clock_timestamp() - created_at)::float ELSE 0 END AS age
    FROM agents
    WHERE id = ANY(:agents) AND runnable AND driver IS NULL AND state IN ('queued', 'waiting') ORDER BY id
    """
)

_QUEUED = text(
    """
    SELECT s.request_id, s.pool, s.op, s.id, s.limit_key, s.tokens, s.priority, s.state, a.root_id, a.tenant, a.program,
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


def waiting(tx: Transaction, agents: Sequence[UUID]) -> list[Waiting]:
    """What could run now of these agents, to be rung."""
    found = [
        Waiting(row.id, row.priority, Payer(str(row.root_id), row.tenant, row.program), row.age)
        for row in tx.execute(_RUNNABLE, {"agents": list(agents)})
    ]
    chains: dict[UUID, Waiting] = {}
    for row in tx.execute(_QUEUED, {"agents": list(agents)}):
        link = Link(row.pool, row.op, row.id, row.limit_key, row.tokens)
        if (known := chains.get(row.request_id)) is not None:
            chains[row.request_id] = known._replace(links=(*known.links, link))
        elif row.state == SyscallState.QUEUED:  # else an earlier link still runs
            payer = Payer(str(row.root_id), row.tenant, row.program)
            chains[row.request_id] = Waiting(row.id, row.priority, payer, row.age, (link,))
    return [*found, *chains.values()]


def _steer(tx: Transaction, agent: UUID, steered: list[UUID]) -> list[UUID]:
    if not steered:
        state = tx.execute(_STATE, {"id": agent}).scalar()
        if state is None:
            raise NotFound("agent", str(agent))
        if state not in _LIVE:
            raise AgentEnded(str(agent), state)
    return steered
