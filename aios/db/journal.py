"""The journal: what an agent asked for and what came of it, written when a drive ends and read when the next begins.

A drive ends in one statement: it closes the drive under the agent's row lock and epoch, and only if that succeeds writes
the new requests, their syscalls and the child agents.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSON, JSONB

from aios.db import contexts
from aios.db.hot import Hot
from aios.db.settlement import Link
from aios.db.syscalls import INSIDE
from aios.errors import FinalError, from_json
from aios.kernel.ids import new_id
from aios.kernel.ports import Claimed
from aios.kernel.replay import Continued, Entry, Raised, Returned
from aios.kernel.values import stored
from aios.kernel.words import AgentState, SyscallState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aios.db.agents import Driven
    from aios.db.session import Transaction
    from aios.kernel.plan import Call
    from aios.kernel.replay import Issued, Outcome
    from aios.kernel.values import Json, JsonObject

_ENTRIES = f"""
    SELECT r.seq, r.label, r.digest, r.pending, r.settled, s.state, s.error, s.context, {contexts.ANSWER} AS result
    FROM requests r
    LEFT JOIN syscalls s ON s.request_id = r.id AND r.pending = 0
    LEFT JOIN contexts c ON c.digest = s.context
    WHERE r.agent_id = :agent AND r.generation = :generation
"""  # noqa: S608  # a fragment of ours; values are bound
_LOAD = Hot(text(f"{_ENTRIES} ORDER BY r.id, s.position"))  # fragments of ours; values are bound
_LOAD_ONLY = Hot(text(f"{_ENTRIES} AND r.seq = ANY(:only) ORDER BY r.id, s.position"))

# By the rules of `access`, if any were asked: a grant that was revoked since lets nothing through (db/access.py).
_MINE = """id = :id AND epoch = :epoch AND driver = :incarnation AND state IN ('running', 'paused')
    AND (CAST(:access AS bigint) IS NULL OR (SELECT version FROM access_version) = :access)"""
# Ordinary requests need not wait for the disk: what is lost with Postgres is asked again, and the flush of a claim or a result
# takes along all that was committed before it (ADR 0007).
_FLUSHED = "CASE WHEN :ordinary THEN set_config('synchronous_commit', 'off', true) END"
_COUNTS = (
    "driver = NULL, version = COALESCE(version, :version), steps = steps + :steps, children = children + :children"
)

_LEAVE = f"""
    UPDATE agents SET {_COUNTS}, runnable = wakes <> :wakes,
        state = CASE WHEN state <> 'running' THEN state WHEN wakes <> :wakes THEN 'queued' ELSE 'waiting' END
    WHERE {_MINE} RETURNING id, state, priority, runnable AND state <> 'paused' AS again, {_FLUSHED}
"""  # noqa: S608  # fragments of ours; values are bound

_BEGIN_AGAIN = f"""
    UPDATE agents SET {_COUNTS}, runnable = true, generation = generation + 1, task = :task,
        state = CASE WHEN state = 'running' THEN 'queued' ELSE state END
    WHERE {_MINE} RETURNING id, state, priority, true AS again
"""  # noqa: S608  # fragments of ours; values are bound

_END = f"""
    UPDATE agents SET {_COUNTS}, runnable = false, state = :state, result = :result, error = :error,
        finished_at = clock_timestamp()
    WHERE {_MINE} RETURNING id, state, priority, false AS again,
        EXISTS (SELECT FROM syscalls s WHERE s.waits_for = agents.id AND s.state = 'waiting') AS awaited
"""  # noqa: S608  # fragments of ours; values are bound

_ASKED = f"""
    , {contexts.GROWN}, asked AS (
        INSERT INTO requests (id, agent_id, generation, seq, label, digest, pending, settled)
        SELECT r.id, closed.id, :generation, r.seq, r.label, decode(r.digest, 'hex'), r.pending, r.settled
        FROM closed, json_to_recordset(:requests) AS r
            (id uuid, seq text, label text, digest text, pending smallint, settled json)
    ), called AS (
        INSERT INTO syscalls (id, agent_id, request_id, position, pool, op, effect, payload, prompt, state, priority,
                              seconds, limit_key, tokens, waits_for, not_before, created_at, queued_at,
                              claim_token, incarnation, attempt, started_at, deadline_at)
        SELECT s.id, closed.id, s.request_id, s.position, s.pool, s.op, s.effect, s.payload, decode(s.prompt, 'hex'),
               CASE WHEN own.token IS NULL THEN s.state ELSE 'running' END, closed.priority, s.seconds, s.limit_key, s.tokens,
               s.waits_for, clock_timestamp() + make_interval(secs => s.delay),
               clock_timestamp(), CASE WHEN s.state = 'queued' THEN clock_timestamp() END,
               own.token, CASE WHEN own.token IS NOT NULL THEN CAST(:incarnation AS uuid) END, (own.token IS NOT NULL)::int,
               CASE WHEN own.token IS NOT NULL THEN clock_timestamp() END,
               CASE WHEN own.token IS NOT NULL THEN clock_timestamp() + make_interval(secs => s.seconds) END
        FROM closed, json_to_recordset(:syscalls) AS s
            (id uuid, request_id uuid, position smallint, pool text, op text, effect text, payload jsonb, prompt text,
             state text, seconds real, limit_key text, tokens integer, waits_for uuid, delay float,
             token uuid),
            -- claimed by who drives, as a later claim would be: not while its agent is paused
            LATERAL (SELECT CASE WHEN closed.state <> 'paused' THEN s.token END AS token) AS own
    )
"""  # noqa: S608  # fragments of ours; values are bound

_CHILDREN = """
    , spawned AS (
        INSERT INTO agents (id, root_id, parent_id, program, task, state, priority, tenant, budgets, owner, groups)
        SELECT c.id, c.root_id, closed.id, c.program, c.task,
               CASE WHEN closed.state = 'paused' THEN 'paused' ELSE 'queued' END,
               CASE WHEN c.priority = :inherited THEN closed.priority ELSE c.priority END,
               c.tenant, c.budgets, c.owner, c.groups
        FROM closed, json_to_recordset(:spawned) AS c
            (id uuid, root_id uuid, program text, task jsonb, priority smallint, tenant text, budgets jsonb, owner text,
             groups text[])
    )
"""

_GUARDED = """
    , questions AS (
        INSERT INTO approvals (id, agent_id, syscall_id, kind, operation, resource, arguments, digest, version, expires_at)
        SELECT q.id, closed.id, q.syscall_id, q.kind, q.operation, q.resource, q.arguments, decode(q.digest, 'hex'), q.version,
               CASE WHEN q.seconds > 0 THEN clock_timestamp() + make_interval(secs => q.seconds) END
        FROM closed, json_to_recordset(:questions) AS q
            (id uuid, syscall_id uuid, kind text, operation text, resource text, arguments jsonb, digest text, version integer,
             seconds float)
    ), noted AS (
        INSERT INTO audit_log (actor, action, resource, agent_id, detail)
        SELECT n.actor, n.action, n.resource, closed.id, n.detail
        FROM closed, json_to_recordset(:notes) AS n (actor text, action text, resource text, detail jsonb)
    )
"""


def _statement(close: str, *more: str) -> Hot:
    whole = text(f"WITH closed AS ({close}) {' '.join(more)} SELECT * FROM closed")  # noqa: S608  # fragments of ours
    json = ("deltas", "requests", "syscalls", "spawned", "questions", "notes", "task")
    names = [name for name in json if f":{name}" in whole.text]
    nullable = [name for name in ("result", "error") if f":{name}" in whole.text]
    return Hot(
        whole.bindparams(
            *(bindparam(name, type_=JSON(none_as_null=False)) for name in names),
            *(bindparam(name, type_=JSONB(none_as_null=True)) for name in nullable),
        )
    )


_RECORD = {
    (name, asked, spawned, guarded): _statement(
        close, *([_ASKED] if asked else []), *([_CHILDREN] if spawned else []), *([_GUARDED] if guarded else [])
    )
    for name, close in {"leave": _LEAVE, "again": _BEGIN_AGAIN, "end": _END}.items()
    for asked in (False, True)
    for spawned in (False, True)
    for guarded in (False, True)
}


class Progress(NamedTuple):
    """How far a drive came: its new requests, the child agents it starts, and its outcome if the program ended.

    Attributes:
        access: the version of the access rules by which the requests were allowed; None: nothing was asked of them.
        notes: rows of the audit log: actor, action, resource, detail.
    """

    issued: Sequence[Issued]
    children: Sequence[JsonObject]
    outcome: Outcome | None
    access: int | None = None
    notes: Sequence[JsonObject] = ()


class Claim(NamedTuple):
    """A claim that is made by the record of what it claims.

    Attributes:
        id: that the call is to have.
    """

    token: UUID
    id: UUID


class Recorded(NamedTuple):
    """What a recorded drive leaves to be rung.

    Attributes:
        again: the agent was woken meanwhile (or begins again) and is runnable.
        chains: the links of each plan whose first is queued.
        priority: of the agent now; it may have been given another one since it was claimed.
        own: the call that was claimed for who drives.
        awaited: the agent has ended, and others wait for that.
    """

    again: bool
    chains: list[list[Link]]
    priority: int
    own: Claimed | None = None
    awaited: bool = False


def load(tx: Transaction, agent: UUID, *, generation: int, only: Sequence[str] | None = None) -> dict[str, Entry]:
    """The entries of one generation by seq, in the order in which they were asked: all, or those of `only`."""
    entries: dict[str, Entry] = {}
    statement, more = (_LOAD, {}) if only is None else (_LOAD_ONLY, {"only": list(only)})
    rows = statement.tuples(tx, {"agent": agent, "generation": generation, **more})
    for seq, label, digest, pending, settled, state, error, context, result in rows:
        known = entries.get(seq)
        if known is None:
            known = entries[seq] = (
                Entry(digest, label, open=pending > 0, context=context)
                if settled is None
                else _settled(settled, label=label, digest=digest)
            )
        elif context is not None:
            known = entries[seq] = replace(known, context=context)
        if state == SyscallState.DONE:
            known.results.append(result)
        elif error is not None and known.error is None:
            entries[seq] = Entry(digest, label, error=from_json(error))
        elif state is not None and known.error is None:
            entries[seq] = Entry(digest, label, error=FinalError(f"{label} was {state}"))
    return entries


def record(
    tx: Transaction,
    driven: Driven,
    progress: Progress,
    *,
    version: str,
    entries: dict[str, Entry],
    claim: Claim | None = None,
) -> Recorded | None:
    """Write what a drive came to, in one statement; None when the drive is stale and nothing was written.

    Args:
        tx: the transaction to do it in.
        driven: the drive.
        progress: what it came to.
        version: of its program.
        entries: the journal that it went by.
        claim: of the first call of the only plan, for who drives; None: whoever is rung claims it.
    """
    issued = [] if isinstance(progress.outcome, Continued) else progress.issued
    asked = next(item for item in issued if item.plan) if claim else None
    values: JsonObject = {
        "id": driven.id,
        "epoch": driven.epoch,
        "incarnation": driven.incarnation,
        "version": version,
        "steps": len(progress.issued),
        "children": len(progress.children),
        "access": progress.access,
        "ordinary": not progress.children and all(_ordinary(item, claimed=item is asked) for item in issued),
    }
    kind, more = _close(driven, progress.outcome)
    values |= more
    chains: list[list[Link]] = []
    if issued:
        requests, syscalls, chains = _rows(issued)
        if claim is not None:
            syscalls[0] |= {"id": str(claim.id), "token": str(claim.token)}
            chains = []
        deltas = _deltas(tx, issued, entries)
        values |= {"generation": driven.generation, "requests": requests, "syscalls": syscalls, "deltas": deltas}
    if progress.children:
        values |= {"spawned": list(progress.children), "inherited": driven.priority}
    questions = _questions(issued, values.get("syscalls", []))
    guarded = bool(questions or progress.notes)
    if guarded:
        values |= {"questions": questions, "notes": list(progress.notes)}
    row = _RECORD[kind, bool(issued), bool(progress.children), guarded].first(tx, values)
    if row is None:
        return None
    own = None
    if claim and asked and row["state"] != AgentState.PAUSED:
        own = _claimed(driven, asked, values["syscalls"][0], claim.token)
    return Recorded(bool(row["again"]), chains, row["priority"], own, awaited=row.get("awaited", False))


def _ordinary(item: Issued, *, claimed: bool) -> bool:
    """Whether nobody outside can see it before a worker claims it: no question, timer, value of a step or claimed call."""
    if not item.plan or item.plan[0].state is not SyscallState.QUEUED:
        return False
    return not claimed or item.plan[0].pool in INSIDE


def _close(driven: Driven, outcome: Outcome | None) -> tuple[str, JsonObject]:
    match outcome:
        case None:
            return "leave", {"wakes": driven.wakes}
        case Continued(task):
            return "again", {"task": task}
        case Returned(value):
            return "end", {"state": AgentState.DONE.value, "result": {"value": value}, "error": None}
        case Raised(error):
            return "end", {"state": AgentState.FAILED.value, "result": None, "error": error.to_json()}


def _settled(settled: JsonObject, *, label: str, digest: bytes) -> Entry:
    if "error" in settled:
        return Entry(digest, label, error=from_json(settled["error"]))
    results = settled["results"] if "results" in settled else [settled["result"]]  # several: a fork's edited answer
    return Entry(digest, label, results=results)


def _rows(issued: Sequence[Issued]) -> tuple[list[JsonObject], list[JsonObject], list[list[Link]]]:
    requests: list[JsonObject] = []
    syscalls: list[JsonObject] = []
    chains: list[list[Link]] = []
    for item in issued:
        request = new_id()
        requests.append(_request_row(item, request))
        calls = [new_id() for _ in item.plan]
        prompt = item.prefixes[-1].hex() if item.prefixes else None
        for position, (call, made) in enumerate(zip(item.plan, calls, strict=True)):
            place = {"id": str(made), "request_id": str(request), "position": position}
            syscalls.append(place | _syscall_row(call, prompt=prompt))
        if item.plan and item.plan[0].state is SyscallState.QUEUED:
            chains.append(
                [
                    Link(call.pool.value, call.op, made, call.limit_key, call.tokens)
                    for call, made in zip(item.plan, calls, strict=True)
                ]
            )
    return requests, syscalls, chains


def foreseen(driven: Driven, item: Issued, *, token: UUID) -> Claimed:
    """The only call of a request as it would be claimed, before anything of it is written."""
    row = {"id": str(new_id()), "request_id": str(new_id()), **_syscall_row(item.plan[0], prompt=None)}
    return _claimed(driven, item, row, token)


def _claimed(driven: Driven, item: Issued, row: JsonObject, token: UUID) -> Claimed:
    """What claiming the row of a request's first call gives: its values as they would come from Postgres."""
    said = item.request.messages if item.plan[0].asks else None
    return Claimed(
        id=UUID(row["id"]),
        agent_id=driven.id,
        request_id=UUID(row["request_id"]),
        position=0,
        pool=row["pool"],
        op=row["op"],
        payload=stored(row["payload"]),
        token=token,
        attempt=1,
        errors=0,
        priority=driven.priority,
        program=driven.program,
        tenant=driven.tenant,
        root_id=driven.root_id,
        owner=driven.owner,
        seconds_left=row["seconds"],
        prompt=item.prefixes[-1] if said else None,
        limit_key=row["limit_key"],
        tokens=row["tokens"],
        messages=stored(list(said)) if said else [],
    )


def _questions(issued: Sequence[Issued], syscalls: Sequence[JsonObject]) -> list[JsonObject]:
    """Rows of approvals: one for each call that a human must let go; calls and rows of syscalls are in the same order."""
    calls = [call for item in issued for call in item.plan]
    return [
        {**call.approval, "id": str(new_id()), "syscall_id": row["id"]}
        for call, row in zip(calls, syscalls, strict=True)
        if call.approval is not None
    ]


def _request_row(item: Issued, request: UUID) -> JsonObject:
    settled: Json = None
    if item.entry is not None:
        error = item.entry.error
        settled = {"error": error.to_json()} if error else {"result": item.entry.results[0]}
    return {
        "id": str(request),
        "seq": item.seq,
        "label": item.request.label,
        "digest": item.digest.hex(),
        "pending": len(item.plan),
        "settled": settled,
    }


def _deltas(tx: Transaction, issued: Sequence[Issued], entries: dict[str, Entry]) -> list[JsonObject]:
    """What is new of the conversations that are asked about, each once: most go on from a reply in the journal."""
    found: dict[bytes, JsonObject | None] = {}
    for item in issued:
        said, prefixes = item.request.messages, item.prefixes
        if item.plan and said and prefixes[-1] not in found:
            stored = set(prefixes)
            known = next((entry.context for entry in reversed(entries.values()) if entry.context in stored), None)
            found[prefixes[-1]] = contexts.delta(tx, said, prefixes, known=known)
    return [delta for delta in found.values() if delta is not None]


def _syscall_row(call: Call, *, prompt: str | None) -> JsonObject:
    return {
        "pool": call.pool.value,
        "op": call.op,
        "effect": call.effect.value,
        "payload": call.payload,
        "prompt": prompt if call.asks else None,
        "state": call.state.value,
        "seconds": call.seconds,
        "waits_for": call.waits_for,
        "limit_key": call.limit_key,
        "tokens": call.tokens,
        "delay": call.delay_seconds,
    }
