"""Forks: agents that begin with another one's journal. The prefix is shared by reference; what differs later is the fork's own.

A settled entry of a journal never changes, so a pointer is enough: which agent, which of its generations, up to which of its
requests. Only loading a fork's journal from the start follows the pointer; nothing else knows of it. An agent is not pruned
while a fork of it is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSON

from aios.db import journal, views
from aios.db.agents import HELD
from aios.errors import NotFound
from aios.kernel import forking
from aios.kernel.ids import new_id

if TYPE_CHECKING:
    from uuid import UUID

    from aios.db.agents import Driven
    from aios.db.session import Transaction
    from aios.kernel.replay import Entry
    from aios.kernel.values import Json, JsonObject

_PLACE = text("SELECT generation, forked_from, forked_generation, forked_at FROM agents WHERE id = :id")

_FORK = text(
    f"""
    INSERT INTO agents (id, root_id, program, version, task, state, priority, tenant, owner, groups, budgets,
                        forked_from, forked_generation, forked_at)
    SELECT :id, :id, program, version, COALESCE(CAST(:task AS jsonb), task),
           CASE WHEN {HELD} THEN 'paused' ELSE 'queued' END,
           priority, tenant, owner, groups, budgets, id, generation, :at
    FROM agents WHERE id = :parent AND generation = :generation
    FOR KEY SHARE -- it may just be pruned
    RETURNING priority
    """  # noqa: S608  # a fragment of ours; values are bound
).bindparams(bindparam("task", type_=JSON(none_as_null=True)))

_EDITED = text(
    """
    INSERT INTO requests (id, agent_id, generation, seq, label, digest, pending, settled)
    VALUES (:id, :agent, 0, :seq, :label, :digest, 0, :settled)
    """
).bindparams(bindparam("settled", type_=JSON(none_as_null=False)))

_EDITS = text(
    "SELECT seq FROM requests WHERE agent_id = :agent AND generation = 0 AND CAST(settled AS jsonb) ? 'results'"
)

_FAMILY = text(
    """
    WITH RECURSIVE above AS (
        SELECT id, root_id, forked_from FROM agents WHERE id = :agent
        UNION
        SELECT a.id, a.root_id, a.forked_from FROM agents a JOIN above u ON a.id = u.root_id OR a.id = u.forked_from
    ), family AS (
        SELECT id FROM above
        UNION
        SELECT a.id FROM agents a JOIN family f ON a.parent_id = f.id OR a.forked_from = f.id
    )
    SELECT a.id, a.program, a.state, a.parent_id, a.forked_from, a.forked_at, a.tokens, a.created_at
    FROM agents a JOIN family USING (id) ORDER BY a.created_at, a.id LIMIT :limit
    """
)


class Origin(NamedTuple):
    """What a fork shares: the requests of one generation of `agent` up to number `at`."""

    agent: UUID
    generation: int
    at: int


class Forked(NamedTuple):
    """A fork that was made."""

    id: UUID
    priority: int


def origin_of(driven: Driven) -> Origin | None:
    """What a driven agent's journal begins with; None: with nothing, as nearly always."""
    if driven.forked_from is None or driven.generation or driven.forked_generation is None or driven.forked_at is None:
        return None
    return Origin(driven.forked_from, driven.forked_generation, driven.forked_at)


def load(tx: Transaction, agent: UUID, *, generation: int, origin: Origin | None) -> dict[str, Entry]:
    """The journal of an agent, whatever of it is shared included, in the order in which it was asked."""
    own = journal.load(tx, agent, generation=generation)
    return own if origin is None else {**_prefix(tx, origin), **own}


def current(tx: Transaction, agent: UUID) -> tuple[int, dict[str, Entry]]:
    """An agent's generation, and all of its journal.

    Raises:
        NotFound: there is no such agent.
    """
    row = tx.execute(_PLACE, {"id": agent}).first()
    if row is None:
        raise NotFound("agent", str(agent))
    return row.generation, load(tx, agent, generation=row.generation, origin=_origin(row, row.generation))


def fork(tx: Transaction, agent: UUID, *, at: int, edit: Json = None) -> Forked:
    """Make an agent that shares another one's journal up to request `at`, and goes on by itself from there.

    While its tenant or one of its groups is paused, it is, too.

    Args:
        tx: the transaction to do it in.
        agent: the one to fork; it is only read.
        at: number of the last request that is shared; 0: none.
        edit: another answer of that request, or at 0 another task; None: what it was.

    Raises:
        NotFound: there is no such agent.
        InvalidArgument: there is no such request, or not all up to it are answered, or it cannot be edited.
    """
    generation, entries = current(tx, agent)
    forking.check(entries, at=at)
    edited = forking.edited(entries, at=at, edit=edit) if at and edit is not None else None
    made = new_id()
    values = {"id": made, "parent": agent, "generation": generation, "at": at, "task": None if at else edit}
    priority = tx.execute(_FORK, values).scalar()
    if priority is None:
        raise NotFound("agent", str(agent))
    if edited is not None:
        row = {"id": new_id(), "agent": made, "seq": str(at), "label": edited.label, "digest": edited.digest}
        tx.execute(_EDITED, {**row, "settled": {"results": edited.results}})
    return Forked(made, int(priority))


def syscalls(tx: Transaction, agent: UUID) -> list[JsonObject]:
    """An agent's syscalls in journal order, those that it shares first; `agent_id` tells whose each is."""
    own = views.syscalls(tx, agent)
    row = tx.execute(_PLACE, {"id": agent}).first()
    origin = None if row is None else _origin(row, 0)
    if origin is None:
        return own
    edited = set(tx.execute(_EDITS, {"agent": agent}).scalars())
    shared = [
        call
        for call in syscalls(tx, origin.agent)
        if call["generation"] == origin.generation
        and forking.number(call["seq"]) <= origin.at
        and call["seq"] not in edited
    ]
    return [*shared, *own]


def family(tx: Transaction, agent: UUID, *, limit: int = 1000) -> list[JsonObject]:
    """The tree that an agent belongs to, oldest first: its root, all children and all forks."""
    return [dict(row) for row in tx.execute(_FAMILY, {"agent": agent, "limit": limit}).mappings()]


def _prefix(tx: Transaction, origin: Origin) -> dict[str, Entry]:
    row = tx.execute(_PLACE, {"id": origin.agent}).one()
    further = _origin(row, origin.generation)
    entries = load(tx, origin.agent, generation=origin.generation, origin=further)
    return {seq: entry for seq, entry in entries.items() if forking.number(seq) <= origin.at}


def _origin(row: Json, generation: int) -> Origin | None:
    if row.forked_from is None or generation:
        return None
    return Origin(row.forked_from, row.forked_generation, row.forked_at)
