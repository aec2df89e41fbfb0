"""The journal: what an agent asked for and what came of it, written when a drive ends and read when the next begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from aios.db import contexts
from aios.db.syscalls import Link
from aios.errors import FinalError, from_json
from aios.kernel.ids import new_id
from aios.kernel.replay import Entry
from aios.kernel.words import SyscallState

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy import RowMapping

    from aios.db.agents import Driven
    from aios.db.session import Transaction
    from aios.kernel.replay import Issued
    from aios.kernel.values import JsonObject

_LOAD = text(
    """
    SELECT r.seq, r.label, r.digest, r.pending, r.settled, s.state, s.error,
           CASE WHEN c.digest IS NULL THEN s.result
                ELSE s.result || jsonb_build_object('message', c.messages -> -1) END AS result
    FROM requests r
    LEFT JOIN syscalls s ON s.request_id = r.id AND r.pending = 0
    LEFT JOIN contexts c ON c.digest = s.context
    WHERE r.agent_id = :agent AND r.generation = :generation
    ORDER BY r.id, s.position
    """
)


_ADD_REQUEST = text(
    """
    INSERT INTO requests (id, agent_id, generation, seq, label, digest, pending, settled)
    VALUES (:id, :agent_id, :generation, :seq, :label, :digest, :pending, :settled)
    """
).bindparams(bindparam("settled", type_=JSONB(none_as_null=True)))

_ADD_SYSCALL = text(
    """
    INSERT INTO syscalls (id, agent_id, request_id, position, pool, op, effect, payload, prompt, state, priority,
                          seconds, waits_for, not_before, queued_at)
    VALUES (:id, :agent_id, :request_id, :position, :pool, :op, :effect, :payload, :prompt, :state, :priority,
            :seconds, :waits_for, clock_timestamp() + make_interval(secs => CAST(:delay AS float)),
            CASE WHEN :state = 'queued' THEN clock_timestamp() END)
    """
).bindparams(bindparam("payload", type_=JSONB(none_as_null=False)))


def load(tx: Transaction, agent: UUID, *, generation: int) -> dict[str, Entry]:
    """The entries of one generation by seq, in the order in which they were asked."""
    entries: dict[str, Entry] = {}
    for row in tx.execute(_LOAD, {"agent": agent, "generation": generation}).mappings():
        seq = row["seq"]
        known = entries.get(seq)
        if known is None:
            known = entries[seq] = _entry(row)
        if row["state"] == SyscallState.DONE:
            known.results.append(row["result"])
        elif row["error"] is not None and known.error is None:
            entries[seq] = Entry(known.digest, known.label, error=from_json(row["error"]))
        elif row["state"] is not None and known.error is None:
            entries[seq] = Entry(known.digest, known.label, error=FinalError(f"{known.label} was {row['state']}"))
    return entries


def write(tx: Transaction, driven: Driven, issued: Sequence[Issued]) -> list[list[Link]]:
    """Record new requests and their syscalls; gives the links of each plan whose first is queued.

    The agent's row is locked and its epoch checked before, by `agents.leave` or `agents.end`.
    """
    if not issued:
        return []
    request_rows: list[JsonObject] = []
    syscall_rows: list[JsonObject] = []
    chains: list[list[Link]] = []
    for item in issued:
        request_id = new_id()
        request_rows.append(_request_row(driven, item, request_id))
        rows = _syscall_rows(tx, driven, item, request_id)
        syscall_rows.extend(rows)
        if rows and rows[0]["state"] == SyscallState.QUEUED:
            chains.append([Link(row["pool"], row["op"], row["id"]) for row in rows])
    tx.execute(_ADD_REQUEST, request_rows)
    if syscall_rows:
        tx.execute(_ADD_SYSCALL, syscall_rows)
    return chains


def _entry(row: RowMapping) -> Entry:
    settled = row["settled"]
    if settled is None:
        return Entry(bytes(row["digest"]), row["label"], open=row["pending"] > 0)
    if "error" in settled:
        return Entry(bytes(row["digest"]), row["label"], error=from_json(settled["error"]))
    return Entry(bytes(row["digest"]), row["label"], results=[settled["result"]])


def _request_row(driven: Driven, item: Issued, request_id: UUID) -> JsonObject:
    settled: JsonObject | None = None
    if item.entry is not None:
        error = item.entry.error
        settled = {"error": error.to_json()} if error else {"result": item.entry.results[0]}
    return {
        "id": request_id,
        "agent_id": driven.id,
        "generation": driven.generation,
        "seq": item.seq,
        "label": item.request.label,
        "digest": item.digest,
        "pending": len(item.plan),
        "settled": settled,
    }


def _syscall_rows(tx: Transaction, driven: Driven, item: Issued, request_id: UUID) -> list[JsonObject]:
    prompt = contexts.store(tx, item.request.messages, item.prefixes) if item.request.messages and item.plan else None
    return [
        {
            "id": new_id(),
            "agent_id": driven.id,
            "request_id": request_id,
            "position": position,
            "pool": call.pool.value,
            "op": call.op,
            "effect": call.effect.value,
            "payload": call.payload,
            "prompt": prompt if call.asks else None,
            "state": call.state.value,
            "priority": driven.priority,
            "seconds": call.seconds,
            "waits_for": call.waits_for,
            "delay": call.delay_seconds,
        }
        for position, call in enumerate(item.plan)
    ]
