"""The service that agents have had lately: what accounts in Redis are rebuilt from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

if TYPE_CHECKING:
    from aios.db.session import Transaction

_ATTAINED = text(
    """
    SELECT s.pool, a.root_id,
           sum(extract(epoch FROM s.finished_at - s.started_at)::float
               * power(0.5, extract(epoch FROM clock_timestamp() - s.finished_at)::float / :half_life)) AS seconds
    FROM agents a JOIN requests r ON r.agent_id = a.id JOIN syscalls s ON s.request_id = r.id
    WHERE a.root_id IN (SELECT root_id FROM agents WHERE state IN ('queued', 'running', 'waiting', 'paused'))
      AND s.started_at IS NOT NULL AND s.finished_at > clock_timestamp() - make_interval(secs => 20 * :half_life)
    GROUP BY s.pool, a.root_id
    """
)

_SPENT = text(
    """
    SELECT COALESCE(s.limit_key, s.pool) AS key, a.tenant, s.id,
           COALESCE((s.usage ->> 'prompt_tokens')::int + (s.usage ->> 'completion_tokens')::int, 0) AS tokens,
           extract(epoch FROM clock_timestamp() - s.started_at)::float AS age
    FROM agents a JOIN requests r ON r.agent_id = a.id JOIN syscalls s ON s.request_id = r.id
    WHERE (a.finished_at IS NULL OR a.finished_at > clock_timestamp() - make_interval(secs => :seconds))
      AND s.state IN ('done', 'failed') AND s.started_at > clock_timestamp() - make_interval(secs => :seconds)
    """
)


def attained(tx: Transaction, *, half_life_seconds: float) -> list[tuple[str, str, float]]:
    """(pool, root agent, seconds) of every tree that has not ended, as they count now; none without a half-life."""
    if half_life_seconds <= 0:
        return []
    rows = tx.execute(_ATTAINED, {"half_life": half_life_seconds})
    return [(row.pool, str(row.root_id), float(row.seconds)) for row in rows]


def spent(tx: Transaction, *, seconds: float) -> list[tuple[str, str, str, int, float]]:
    """(key, tenant, id, tokens, age) of the syscalls that began within the last so many seconds and have ended."""
    rows = tx.execute(_SPENT, {"seconds": seconds})
    return [(row.key, row.tenant, str(row.id), row.tokens, float(row.age)) for row in rows]
