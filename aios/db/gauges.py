"""What `aios top` looks at: how many wait where, who works on what, how fast, and what went wrong. Reads only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

if TYPE_CHECKING:
    from aios.db.session import Transaction
    from aios.kernel.values import JsonObject

_RECENT = "clock_timestamp() - interval '60 seconds'"

_STATES = text(
    f"""
    SELECT state, count(*) AS agents FROM agents
    WHERE finished_at IS NULL OR finished_at > {_RECENT} GROUP BY state
    """  # noqa: S608  # a constant of ours
)

_QUEUES = text(
    """
    SELECT pool, priority, count(*) FILTER (WHERE state = 'queued') AS queued,
           count(*) FILTER (WHERE state = 'running') AS running,
           max(extract(epoch FROM clock_timestamp() - queued_at)) FILTER (WHERE state = 'queued') AS oldest_seconds
    FROM syscalls WHERE state IN ('queued', 'running') GROUP BY pool, priority
    UNION ALL
    SELECT 'agent', priority, count(*) FILTER (WHERE driver IS NULL), count(*) FILTER (WHERE driver IS NOT NULL), NULL
    FROM agents WHERE (runnable AND driver IS NULL) OR driver IS NOT NULL GROUP BY priority
    ORDER BY 1, 2
    """
)

_CAPACITY = text(
    """
    SELECT pool, sum(concurrency) AS places, count(*) AS workers FROM workers, unnest(pools) AS pool
    WHERE alive_until > clock_timestamp() GROUP BY pool
    """
)

# Waiting and service as in `aios show`: time, children and humans that an agent waits for are neither.
_AGENTS = text(
    f"""
    SELECT a.*, w.waiting_seconds, w.service_seconds, w.doing
    FROM (
        SELECT id, program, state, priority, tokens, steps, created_at, task FROM agents
        WHERE finished_at IS NULL OR finished_at > {_RECENT}
        ORDER BY finished_at IS NULL DESC, state = 'running' DESC, created_at DESC, id DESC LIMIT :limit
    ) a LEFT JOIN LATERAL (
        SELECT sum(extract(epoch FROM COALESCE(s.started_at, s.finished_at, clock_timestamp()) - s.created_at))
                   FILTER (WHERE s.pool <> 'agent') AS waiting_seconds,
               sum(extract(epoch FROM COALESCE(s.finished_at, clock_timestamp()) - s.started_at)) AS service_seconds,
               string_agg(DISTINCT s.pool || '.' || s.op || CASE WHEN s.state = 'queued' THEN ' (queued)' ELSE '' END, ' ')
                   FILTER (WHERE s.state IN ('queued', 'running', 'waiting')) AS doing
        FROM requests r JOIN syscalls s ON s.request_id = r.id WHERE r.agent_id = a.id
    ) w ON true
    """  # noqa: S608  # a constant of ours
)

_TOKENS = text(
    f"SELECT id, tokens FROM agents WHERE tokens > 0 AND (finished_at IS NULL OR finished_at > {_RECENT})"  # noqa: S608
)

_FAILURES = text(
    """
    SELECT id, program, error ->> 'type' AS type, error ->> 'message' AS message, finished_at FROM agents
    WHERE state = 'failed' AND finished_at > clock_timestamp() - interval '1 day' ORDER BY finished_at DESC LIMIT :limit
    """
)


def states(tx: Transaction) -> dict[str, int]:
    """How many agents are in each state, ended ones of the last minute included."""
    return {row.state: row.agents for row in tx.execute(_STATES)}


def queues(tx: Transaction) -> list[JsonObject]:
    """Per pool and priority: how many syscalls are queued and running, and how long the oldest has waited."""
    return [dict(row) for row in tx.execute(_QUEUES).mappings()]


def capacity(tx: Transaction) -> dict[str, JsonObject]:
    """Per pool: how many live workers serve it, and what they can run at once."""
    return {row["pool"]: dict(row) for row in tx.execute(_CAPACITY).mappings()}


def agents(tx: Transaction, *, limit: int) -> list[JsonObject]:
    """Agents that live or ended within a minute: running ones first, then newest; with what they wait for."""
    return [dict(row) for row in tx.execute(_AGENTS, {"limit": limit}).mappings()]


def tokens(tx: Transaction) -> dict[str, int]:
    """Tokens that each of these agents has spent so far."""
    return {str(row.id): row.tokens for row in tx.execute(_TOKENS)}


def failures(tx: Transaction, *, limit: int) -> list[JsonObject]:
    """The latest agents that failed, newest first."""
    return [dict(row) for row in tx.execute(_FAILURES, {"limit": limit}).mappings()]
