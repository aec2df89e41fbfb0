"""What people and clients look at: agents, their results and their journals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

if TYPE_CHECKING:
    from uuid import UUID

    from aios.db.session import Transaction
    from aios.kernel.values import JsonObject

_AGENT = """
    SELECT id, root_id, parent_id, program, version, task, state, priority, tenant, owner, groups, generation, budgets,
           forked_from, forked_at, tokens, steps, children, result, error, created_at, started_at, finished_at
    FROM agents
"""

_LIST = text(
    _AGENT + "WHERE (CAST(:state AS text) IS NULL OR state = :state) ORDER BY created_at DESC, id DESC LIMIT :limit"
)

_SYSCALLS = text(
    """
    SELECT s.id, r.agent_id, r.generation, r.seq, s.position, s.pool, s.op, s.state, s.attempt, s.errors, s.crashes,
           s.core, s.usage, s.error, CASE WHEN s.pool = 'llm' THEN s.result END AS way, r.label, s.payload,
           s.created_at, s.queued_at, s.started_at, s.finished_at,
           -- what was claimed by the statement that made it began some microseconds before that
           GREATEST(0, extract(epoch FROM COALESCE(s.started_at, s.finished_at, clock_timestamp()) - s.created_at)) * 1000
               AS waiting_ms,
           extract(epoch FROM COALESCE(s.finished_at, clock_timestamp()) - s.started_at) * 1000 AS running_ms
    FROM requests r JOIN syscalls s ON s.request_id = r.id
    WHERE r.agent_id = :agent ORDER BY r.generation, r.id, s.position
    """
)

_RESULT = text("SELECT id, state, result, error FROM agents WHERE id = :agent")

_LLM = text(
    """
    SELECT s.id, r.seq, s.op FROM requests r JOIN syscalls s ON s.request_id = r.id
    WHERE r.agent_id = :agent AND s.pool = 'llm' ORDER BY r.generation, r.id, s.position
    """
)

_GENERATION = text(
    """
    SELECT s.state, s.attempt, c.messages -> -1 ->> 'content' AS content
    FROM syscalls s LEFT JOIN contexts c ON c.digest = s.context WHERE s.id = :syscall
    """
)

_MATCHING = text(
    """
    SELECT id FROM agents WHERE CAST(id AS text) LIKE :part || '%' OR CAST(id AS text) LIKE '%' || :part
    ORDER BY created_at DESC LIMIT :limit
    """
)

_QUESTIONS = text(
    """
    SELECT s.id, r.agent_id, a.program, r.seq, s.payload ->> 'question' AS question, s.payload -> 'choices' AS choices
    FROM syscalls s JOIN requests r ON r.id = s.request_id JOIN agents a ON a.id = r.agent_id
    WHERE s.state = 'waiting' AND s.pool = 'agent' AND s.op = 'ask'
      AND (CAST(:agent AS uuid) IS NULL OR r.agent_id = :agent)
    ORDER BY s.created_at
    """
)


def agent(tx: Transaction, agent: UUID) -> JsonObject | None:
    """One agent's row, or None."""
    row = tx.execute(text(_AGENT + "WHERE id = :id"), {"id": agent}).mappings().first()
    return dict(row) if row else None


def agents(tx: Transaction, *, state: str | None, limit: int) -> list[JsonObject]:
    """The newest agents, newest first."""
    return [dict(row) for row in tx.execute(_LIST, {"state": state, "limit": limit}).mappings()]


def result(tx: Transaction, agent: UUID) -> JsonObject | None:
    """An agent's state, result and error, or None."""
    row = tx.execute(_RESULT, {"agent": agent}).mappings().first()
    return dict(row) if row else None


def syscalls(tx: Transaction, agent: UUID) -> list[JsonObject]:
    """An agent's syscalls in journal order, with how long each waited and ran."""
    return [dict(row) for row in tx.execute(_SYSCALLS, {"agent": agent}).mappings()]


def generations(tx: Transaction, agent: UUID) -> list[JsonObject]:
    """An agent's LLM syscalls in journal order: id, seq, op."""
    return [dict(row) for row in tx.execute(_LLM, {"agent": agent}).mappings()]


def generation(tx: Transaction, syscall: UUID) -> JsonObject | None:
    """How far an LLM syscall is: state, attempt, and, when it is done, the reply's content; None: it was pruned."""
    row = tx.execute(_GENERATION, {"syscall": syscall}).mappings().first()
    return dict(row) if row else None


def matching(tx: Transaction, part: str, *, limit: int = 2) -> list[UUID]:
    """The newest agents whose id begins or ends with `part`."""
    return list(tx.execute(_MATCHING, {"part": part, "limit": limit}).scalars())


def questions(tx: Transaction, agent: UUID | None = None) -> list[JsonObject]:
    """Questions that wait for a human, oldest first."""
    return [dict(row) for row in tx.execute(_QUESTIONS, {"agent": agent}).mappings()]
