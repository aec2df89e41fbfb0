"""The protocol of one syscall: claim it by token, complete it once, or give it back. Each function is one statement.

Lock order everywhere: agent, request, syscall. A statement that touches several rows locks its agent first, in the CTE
`agent`, and hangs everything else on that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from aios.db import agents, contexts
from aios.db.hot import Hot
from aios.db.settlement import Settled, settle
from aios.kernel.ports import Claimed, Outcome
from aios.kernel.words import SyscallState

if TYPE_CHECKING:
    from uuid import UUID

    from aios.db.agents import Taker
    from aios.db.session import Transaction
    from aios.errors import AiosError
    from aios.kernel.values import Json, JsonObject

INSIDE = ("memory", "storage")
"""Pools whose effects are in Postgres, with their results: their claims are not flushed, what is lost with it never was."""

_CLAIM = Hot(
    text(
        f"""
    WITH claimed AS (
        UPDATE syscalls s
        SET state = 'running', claim_token = :token, incarnation = :incarnation, attempt = s.attempt + 1,
            started_at = clock_timestamp(), not_before = NULL,
            deadline_at = clock_timestamp() + make_interval(secs => s.seconds)
        FROM agents a
        WHERE s.id = :id AND s.state = 'queued' AND a.id = s.agent_id AND a.state IN ('queued', 'running', 'waiting')
          AND (s.not_before IS NULL OR s.not_before <= clock_timestamp())
        RETURNING s.id, s.agent_id, s.request_id, s.position, s.pool, s.op, s.payload, s.prompt, s.attempt, s.errors,
                  s.priority, s.seconds, s.approval, s.limit_key, s.tokens, a.program, a.tenant, a.owner, a.root_id,
                  extract(epoch FROM clock_timestamp() - s.created_at) AS age
    )
    SELECT claimed.*, (
        SELECT jsonb_agg(
            CASE WHEN c.digest IS NULL THEN e.result
                 ELSE e.result || jsonb_build_object('message', c.messages -> -1) END ORDER BY e.position)
        FROM syscalls e LEFT JOIN contexts c ON c.digest = e.context
        WHERE claimed.position > 0 AND e.request_id = claimed.request_id AND e.position < claimed.position
    ) AS earlier,
        CASE WHEN claimed.prompt IS NOT NULL THEN ({contexts.CONVERSATION.format(digest="claimed.prompt")}) END AS messages,
        -- flushed before anything is asked of the world outside
        CASE WHEN claimed.pool IN {INSIDE} THEN set_config('synchronous_commit', 'off', true) END
    FROM claimed
    """  # noqa: S608  # fragments of ours; values are bound
    )
)

_SETTLED_BY_ME = text("SELECT 1 FROM syscalls WHERE id = :id AND claim_token = :token AND state IN ('done', 'failed')")

_GIVE_BACK = text(
    """
    UPDATE syscalls
    SET state = 'queued', claim_token = NULL, incarnation = NULL,
        queued_at = CASE WHEN :delay > 0 THEN clock_timestamp() ELSE queued_at END, -- its place in the line stays
        not_before = CASE WHEN :delay > 0 THEN clock_timestamp() + make_interval(secs => :delay) END,
        errors = errors + :errors, error = :error
    WHERE id = :id AND claim_token = :token AND state = 'running'
    RETURNING extract(epoch FROM clock_timestamp() - queued_at)::float
    """
).bindparams(bindparam("error", type_=JSONB(none_as_null=True)))


def claim(tx: Transaction, syscall: UUID, *, token: UUID, incarnation: UUID) -> Claimed | None:
    """Take a queued syscall for this process; None when there is nothing to take."""
    row = _CLAIM.first(tx, {"id": syscall, "token": token, "incarnation": incarnation})
    if row is None:
        return None
    return Claimed(
        id=row["id"],
        agent_id=row["agent_id"],
        request_id=row["request_id"],
        position=row["position"],
        pool=row["pool"],
        op=row["op"],
        payload=row["payload"],
        token=token,
        attempt=row["attempt"],
        errors=row["errors"],
        priority=row["priority"],
        program=row["program"],
        tenant=row["tenant"],
        root_id=row["root_id"],
        owner=row["owner"],
        seconds_left=row["seconds"],
        age_seconds=float(row["age"]),
        prompt=row["prompt"],
        earlier=row["earlier"] or [],
        approval=row["approval"],
        limit_key=row["limit_key"],
        tokens=row["tokens"],
        messages=contexts.joined(row["messages"]),
    )


def complete(
    tx: Transaction,
    call: Claimed,
    outcome: Outcome,
    *,
    taker: Taker | None = None,
    lazy: bool = False,
    at_once: bool = False,
) -> Settled | None:
    """Record a result, once; None when the claim is no longer ours and nothing may be written.

    Args:
        tx: the transaction to do it in.
        call: the claim.
        outcome: what came of it.
        taker: who drives the agent that this wakes; None: whoever claims it.
        lazy: as in `settle`.
        at_once: let the outcome's clauses do what it does, in this very statement; None as well when they did nothing.
    """
    result = None
    if not at_once:
        if outcome.clauses is not None:
            agents.lock(tx, call.agent_id)  # before its effect, as the clauses do
        result = outcome.effect(tx) if outcome.effect else outcome.result
    usage: JsonObject | None = outcome.usage.__dict__ if outcome.usage else None
    return settle(
        tx,
        id=call.id,
        agent_id=call.agent_id,
        token=call.token,
        state=SyscallState.DONE,
        result=result,
        usage=usage,
        core=outcome.core or None,
        prompt=call.prompt,
        message=outcome.message,
        tokens=outcome.usage.total if outcome.usage else 0,
        taker=taker,
        lazy=lazy,
        clauses=outcome.clauses if at_once else None,
    )


def complete_at_once(tx: Transaction, call: Claimed, outcome: Outcome, *, taker: Taker | None = None) -> Settled | None:
    """Do what a claimed syscall asks for and record its result, in one statement.

    None when nothing was written: the claim is no longer ours, or the effect takes another course than the usual one.
    """
    try:
        return complete(tx, call, outcome, taker=taker, at_once=True)
    except psycopg.IntegrityError:  # something that the clauses took for granted has gone meanwhile
        return None


def fail(
    tx: Transaction,
    *,
    id: UUID,
    agent_id: UUID,
    token: UUID | None,
    error: AiosError,
    unknown: bool = False,
    taker: Taker | None = None,
) -> Settled | None:
    """End a running syscall without a result; a program may catch the error, so its agent is woken (`taker` as above)."""
    state = SyscallState.UNKNOWN if unknown else SyscallState.FAILED
    return settle(tx, id=id, agent_id=agent_id, token=token, state=state, error=error, taker=taker)


def refuse(tx: Transaction, *, id: UUID, agent_id: UUID, error: AiosError) -> bool:
    """End a syscall that waits to be claimed and never can be; False when it no longer waits."""
    done = settle(tx, id=id, agent_id=agent_id, token=None, state=SyscallState.FAILED, expected="queued", error=error)
    return done is not None


def answer(tx: Transaction, *, id: UUID, agent_id: UUID, result: Json = None, error: AiosError | None = None) -> bool:
    """End a waiting syscall (a timer, a child, a question); False when it no longer waits."""
    state = SyscallState.FAILED if error else SyscallState.DONE
    return (
        settle(tx, id=id, agent_id=agent_id, token=None, state=state, expected="waiting", result=result, error=error)
        is not None
    )


def was_settled(tx: Transaction, call: Claimed) -> bool:
    """Whether this claim settled the syscall already: its COMMIT went through, only the reply was lost."""
    return tx.execute(_SETTLED_BY_ME, {"id": call.id, "token": call.token}).first() is not None


def give_back(
    tx: Transaction, call: Claimed, *, delay_seconds: float = 0, errors: int = 0, error: AiosError | None = None
) -> float | None:
    """Make a running syscall ready again; gives how many seconds it has been that, or None: the claim is no longer ours."""
    values = {
        "id": call.id,
        "token": call.token,
        "delay": delay_seconds,
        "errors": errors,
        "error": error.to_json() if error else None,
    }
    row = tx.execute(_GIVE_BACK, values).first()
    return None if row is None else float(row[0])


def state_of(tx: Transaction, syscall: UUID) -> str | None:
    """Where a syscall is; None when it does not exist."""
    return tx.execute(text("SELECT state FROM syscalls WHERE id = :id"), {"id": syscall}).scalar()
