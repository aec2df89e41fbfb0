"""A request and its answer in one statement: the write that a drive asked for is done by the statement that writes it down.

Nobody else ever sees such a syscall before it is done, so that there is nothing to claim, to ring or to recover: a crash leaves
all of it or nothing, and then the program asks again.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import psycopg
from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from aios.db.hot import Hot

if TYPE_CHECKING:
    from aios.db.agents import Driven
    from aios.db.session import Transaction
    from aios.kernel.ports import Claimed, Clauses
    from aios.kernel.replay import Issued
    from aios.kernel.values import Json

_WRITE = """
    WITH agent AS (
        SELECT id FROM agents
        WHERE id = :agent_id AND epoch = :epoch AND driver = :incarnation AND state = 'running' AND steps = :steps
          AND (CAST(:access AS bigint) IS NULL OR (SELECT version FROM access_version) = :access)
        FOR NO KEY UPDATE
    ), mine AS (
        SELECT CAST(:id AS uuid) AS id FROM agent
    ), {clauses}, counted AS (
        UPDATE agents SET steps = steps + 1, version = COALESCE(version, :version) FROM effect WHERE agents.id = :agent_id
    ), since AS (
        SELECT result, clock_timestamp() - make_interval(secs => :took) AS begun FROM effect
    ), asked AS (
        INSERT INTO requests (id, agent_id, generation, seq, label, digest, pending)
        SELECT :request, :agent_id, :generation, :seq, :label, :request_digest, 0 FROM effect
    ), called AS (
        INSERT INTO syscalls (id, agent_id, request_id, position, pool, op, effect, payload, state, priority, seconds, result,
                              claim_token, incarnation, attempt, created_at, queued_at, started_at, finished_at)
        SELECT :id, :agent_id, :request, 0, :pool, :op, :effect, :payload, 'done', :priority, :seconds, result,
               :token, :incarnation, 1, begun, begun, begun, clock_timestamp()
        FROM since
    )
    SELECT result FROM effect
    """


class Done(NamedTuple):
    """What came of it."""

    result: Json


def write(
    tx: Transaction,
    driven: Driven,
    issued: Issued,
    *,
    call: Claimed,
    clauses: Clauses,
    access: int | None,
    version: str,
    took: float,
) -> Done | None:
    """Write a request that a drive asked for, do what it asks, and answer it; None when nothing was written.

    So it is if the drive is stale or its agent was paused, if the access rules changed, and where the effect takes another
    course than the usual one.

    Args:
        tx: the transaction to do it in.
        driven: the drive.
        issued: the request; its plan is one call.
        call: that call, by the ids that it is to have.
        clauses: do what it asks for.
        access: the version of the access rules by which it was allowed; None: nothing was asked of them.
        version: of the program.
        took: seconds since it was begun.
    """
    plan = issued.plan[0]
    values = {
        "id": call.id,
        "agent_id": driven.id,
        "epoch": driven.epoch,
        "incarnation": driven.incarnation,
        "steps": driven.steps,
        "access": access,
        "version": version,
        "request": call.request_id,
        "generation": driven.generation,
        "seq": issued.seq,
        "label": issued.request.label,
        "request_digest": issued.digest,
        "pool": call.pool,
        "op": call.op,
        "effect": plan.effect.value,
        "payload": call.payload,
        "priority": driven.priority,
        "seconds": plan.seconds,
        "token": call.token,
        "took": took,
        **clauses.values,
    }
    try:
        row = _writing(clauses.sql).first(tx, values)
    except psycopg.OperationalError:
        raise
    except psycopg.DatabaseError:  # nothing is written, and whatever is wrong with it, its syscall is to say
        return None
    if row is None:
        return None
    clauses.done(row["result"])
    return Done(row["result"])


@cache
def _writing(clauses: str) -> Hot:
    return Hot(text(_WRITE.format(clauses=clauses)).bindparams(bindparam("payload", type_=JSONB(none_as_null=False))))
