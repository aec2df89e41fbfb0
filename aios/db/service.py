"""The service that agents have had lately: what accounts in Redis are rebuilt from."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from sqlalchemy import text

from aios.db.agents import payer_in
from aios.kernel.policy import ONE_SHOTS

if TYPE_CHECKING:
    from aios.db.session import Transaction

_ATTAINED = text(
    """
    SELECT s.pool, root.id AS agent_id, root.root_id, root.tenant, root.owner, root.program,
           sum(extract(epoch FROM s.finished_at - s.started_at)::float
               * power(0.5, extract(epoch FROM clock_timestamp() - s.finished_at)::float / :half_life)) AS seconds
    FROM agents root JOIN agents a ON a.root_id = root.id
        JOIN requests r ON r.agent_id = a.id JOIN syscalls s ON s.request_id = r.id
    WHERE (root.program = ANY(:one_shots)
           OR root.id IN (SELECT root_id FROM agents WHERE state IN ('queued', 'running', 'waiting', 'paused')))
      AND s.started_at IS NOT NULL AND s.finished_at > clock_timestamp() - make_interval(secs => 20 * :half_life)
    GROUP BY s.pool, root.id
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
    """(pool, payer, seconds) of every tree that has not ended and of those who ask one-shots, as they count now.

    There are none without a half-life.
    """
    if half_life_seconds <= 0:
        return []
    seconds: Counter[tuple[str, str]] = Counter()
    for row in tx.execute(_ATTAINED, {"half_life": half_life_seconds, "one_shots": list(ONE_SHOTS)}):
        seconds[row.pool, payer_in(row).root] += row.seconds
    return [(pool, payer, had) for (pool, payer), had in seconds.items()]


def spent(tx: Transaction, *, seconds: float) -> list[tuple[str, str, str, int, float]]:
    """(key, tenant, id, tokens, age) of the syscalls that began within the last so many seconds and have ended."""
    rows = tx.execute(_SPENT, {"seconds": seconds})
    return [(row.key, row.tenant, str(row.id), row.tokens, float(row.age)) for row in rows]
