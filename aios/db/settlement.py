"""Settling a syscall, once: its result or error, what follows in its plan, its request, and the agent that this wakes.

Each function is one statement. The agent's row is locked first, and everything else hangs on that (`aios/db/syscalls.py`).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from aios.db import agents
from aios.db.agents import Taken
from aios.db.hot import Hot
from aios.kernel.contexts import ROOT, link

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aios.db.agents import Taker
    from aios.db.session import Transaction
    from aios.errors import AiosError
    from aios.kernel.ports import Clauses
    from aios.kernel.values import Json, JsonObject
    from aios.kernel.words import SyscallState

_SETTLED = """
    WITH agent AS (
        SELECT id{free} FROM agents WHERE id = :agent_id FOR NO KEY UPDATE
    ), {clauses} settled AS (
        UPDATE syscalls s
        SET state = :state, result = {result}, error = :error, usage = :usage, core = :core, context = :context,
            finished_at = clock_timestamp()
        FROM {source}
        WHERE s.id = :id AND s.state = :expected AND (CAST(:token AS uuid) IS NULL OR s.claim_token = :token)
        RETURNING s.request_id, s.position, s.state = 'done' AS well, s.result, s.usage, s.core
    ), reply AS (
        INSERT INTO contexts (digest, parent, messages, length)
        SELECT CAST(:context AS bytea), CAST(:prompt AS bytea), :messages,
               1 + COALESCE((SELECT length FROM contexts WHERE digest = CAST(:prompt AS bytea)), 0)
        FROM settled WHERE CAST(:context AS bytea) IS NOT NULL
        ON CONFLICT (digest) DO UPDATE SET used_at = clock_timestamp() -- used again: not to be swept (db/retention.py)
        WHERE contexts.used_at < clock_timestamp() - interval '30 minutes'
    ), next AS (
        UPDATE syscalls s
        SET state = CASE WHEN settled.well THEN 'queued' ELSE 'cancelled' END,
            queued_at = CASE WHEN settled.well THEN clock_timestamp() END,
            finished_at = CASE WHEN settled.well THEN NULL ELSE clock_timestamp() END
        FROM settled
        WHERE s.request_id = settled.request_id AND s.state = 'blocked'
          AND (s.position = settled.position + 1 OR NOT settled.well)
        RETURNING s.id
    ), request AS (
        UPDATE requests r SET pending = CASE WHEN settled.well THEN r.pending - 1 ELSE 0 END
        FROM settled WHERE r.id = settled.request_id
        RETURNING r.pending, r.seq
    )
"""

_FOLLOWS = """
    request.pending, settled.well,
           CASE WHEN settled.well AND request.pending > 0 THEN (
               SELECT jsonb_agg(jsonb_build_array(s.pool, s.op, s.id, s.limit_key, s.tokens) ORDER BY s.position)
               FROM syscalls s WHERE s.request_id = settled.request_id AND s.position > settled.position
           ) END AS rest
"""


# What the clauses of an effect hang on: the syscall, if it is still claimed, and locked as it is.
_MINE = """
    mine AS (
        SELECT s.id FROM agent, syscalls s
        WHERE s.id = :id AND s.state = :expected AND s.claim_token = :token FOR NO KEY UPDATE OF s
    ), {clauses},
"""

_SETTLE = f"""
    {_SETTLED}, woken AS (
        UPDATE agents a
        SET wakes = a.wakes + (request.pending = 0)::int, runnable = a.runnable OR request.pending = 0,
            tokens = a.tokens + :tokens,
            state = CASE WHEN a.state = 'waiting' AND request.pending = 0 THEN 'queued' ELSE a.state END
        FROM request WHERE a.id = :agent_id AND (request.pending = 0 OR :tokens > 0)
        RETURNING 1
    )
    SELECT {_FOLLOWS}, {{effected}} CASE WHEN :lazy THEN set_config('synchronous_commit', 'off', true) END
    FROM request, settled
    """  # noqa: S608  # fragments of ours; values are bound

# The same, and the agent that this wakes is claimed for a drive here and now (`agents.claim` in this very statement).
_SETTLE_AND_TAKE = f"""
    {_SETTLED}, wake AS (
        SELECT (pending = 0)::int AS up, (pending = 0 AND free)::int AS taken FROM request, agent
    ), woken AS (
        UPDATE agents a
        SET wakes = a.wakes + up, tokens = a.tokens + :tokens, epoch = a.epoch + taken,
            driver = CASE taken WHEN 1 THEN CAST(:incarnation AS uuid) ELSE a.driver END,
            runnable = taken = 0 AND (a.runnable OR up = 1),
            state = CASE WHEN taken = 1 THEN 'running' WHEN up = 1 AND a.state = 'waiting' THEN 'queued' ELSE a.state END,
            deadline_at = CASE taken WHEN 1 THEN {agents.DEADLINE} ELSE a.deadline_at END
        FROM wake WHERE a.id = :agent_id AND (up = 1 OR :tokens > 0)
        RETURNING a.*, taken
    ), driven AS (
        SELECT * FROM woken WHERE taken = 1
    )
    SELECT {agents.DRIVEN}, {_FOLLOWS}, {{effected}} request.seq, settled.well AND settled.position = 0 AS alone,
           CASE WHEN CAST(:context AS bytea) IS NULL THEN settled.result
           ELSE settled.result || jsonb_build_object(
               'message', CAST(:messages AS jsonb) -> -1, 'usage', settled.usage, 'core', settled.core) END AS answer,
           CASE WHEN :lazy THEN set_config('synchronous_commit', 'off', true) END
    FROM settled, request LEFT JOIN driven ON true
    """  # noqa: S608  # fragments of ours; values are bound


@cache
def _settling(clauses: str | None, *, take: bool) -> Hot:
    """The statement, with an effect's clauses in it or without."""
    sql = (_SETTLE_AND_TAKE if take else _SETTLE).format(
        free=f", {agents.FREE} AS free" if take else "",
        clauses=_MINE.format(clauses=clauses) if clauses else "",
        source="agent, effect" if clauses else "agent",
        result="effect.result" if clauses else ":result",
        effected="settled.result AS effected," if clauses else "",
    )
    jsons = {"result": False, "error": True, "usage": True, "messages": True}
    binds = [bindparam(name, type_=JSONB(none_as_null=null)) for name, null in jsons.items() if f":{name}" in sql]
    return Hot(text(sql).bindparams(*binds))


_FLUSH = Hot(text("SELECT pg_logical_emit_message(true, 'aios', '')"))


class Link(NamedTuple):
    """One link of a chain yet to run.

    Attributes:
        limit_key: what limits it within its pool; None: the pool alone.
        tokens: about as many as it may use.
    """

    pool: str
    op: str
    id: UUID
    limit_key: str | None = None
    tokens: int | None = None


class Settled(NamedTuple):
    """What follows from a settled syscall.

    Attributes:
        agent_woken: its request is answered, so its agent may go on.
        rest: the links behind it in the plan; the first of them is queued now.
        again: it was given back, and may run again at once.
        age_seconds: how long it has been ready, then.
        taken: the agent, if it was claimed at once.
        before: it was settled already, by the same claim; nothing was written now.
    """

    agent_woken: bool
    rest: tuple[Link, ...] = ()
    again: bool = False
    taken: Taken | None = None
    before: bool = False
    age_seconds: float = 0.0


def settle(
    tx: Transaction,
    *,
    id: UUID,
    agent_id: UUID,
    token: UUID | None,
    state: SyscallState,
    expected: str = "running",
    result: Json = None,
    error: AiosError | None = None,
    usage: JsonObject | None = None,
    core: str | None = None,
    prompt: bytes | None = None,
    message: JsonObject | None = None,
    tokens: int = 0,
    taker: Taker | None = None,
    lazy: bool = False,
    clauses: Clauses | None = None,
) -> Settled | None:
    """End a syscall in a state; None when it is not as expected (`expected`, `token`) and nothing may be written.

    Args:
        tx: the transaction to do it in.
        id: the syscall's.
        agent_id: of the agent that asked.
        token: of the claim; None: it was never claimed.
        state: what it ends in.
        expected: the state that it is in.
        result: what it gave, if it went well.
        error: what went wrong, if it did not.
        usage: llm: tokens, for the journal.
        core: llm: what it ran on.
        prompt: llm: digest of the conversation that was asked about.
        message: llm: the reply, which is added to that.
        tokens: llm: what its agent is charged.
        taker: who drives the agent that this wakes; None: whoever claims it.
        lazy: the disk is not waited for: who asks for that calls `flush`, and settles again should that fail.
        clauses: give the result; None as well when they did nothing.
    """
    values = {
        "id": id,
        "agent_id": agent_id,
        "token": token,
        "state": state.value,
        "expected": expected,
        "result": result,
        "error": error.to_json() if error else None,
        "usage": usage,
        "core": core,
        "prompt": prompt,
        "context": link(prompt or ROOT, message) if message is not None else None,
        "messages": [message] if message is not None else None,
        "tokens": tokens,
        "lazy": lazy,
    }
    more = {**(taker._asdict() if taker else {}), **(clauses.values if clauses else {})}
    row = _settling(clauses and clauses.sql, take=taker is not None).first(tx, values | more)
    if row is None:
        return None
    if clauses is not None:
        clauses.done(row["effected"])
    rest = tuple(Link(pool, op, UUID(link), *more) for pool, op, link, *more in row["rest"] or [])
    taken = None if taker is None or row["epoch"] is None else _taken(row, taker, values)
    return Settled(row["pending"] == 0, rest, taken=taken)


def flush(tx: Transaction) -> None:
    """Wait until all that was committed before, by whomever, is on the disk: a commit of its own, with nothing in it."""
    _FLUSH.first(tx, {})


def _taken(row: Mapping[str, Any], taker: Taker, values: JsonObject) -> Taken:
    tokens = row["tree_tokens"] + values["tokens"]  # the sum was made before
    driven = agents.driven({**row, "tree_tokens": tokens}, taker.incarnation)
    return Taken(driven, row["seq"], [row["answer"]] if row["alone"] else (), values["context"])
