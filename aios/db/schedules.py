"""Schedules: agents that are started by the clock, the database's. Every tick is a row, so that none starts two agents."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert

from aios.db import agents, workers
from aios.db.tables import schedules
from aios.errors import InvalidArgument, NotFound, UnknownProgram
from aios.kernel.submission import agent_row, check_program

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from aios.db.session import Transaction
    from aios.kernel.values import Json, JsonObject
    from aios.settings import LimitSettings

_FIELDS = "id, name, cron, timezone, program, task, priority, next_at"

_DUE = text(
    f"SELECT {_FIELDS} FROM schedules WHERE next_at <= clock_timestamp() ORDER BY next_at LIMIT 1 "  # noqa: S608
    "FOR NO KEY UPDATE SKIP LOCKED"
)

# Held, for the run of it that may be about to be written.
_NAMED = text(f"SELECT {_FIELDS} FROM schedules WHERE name = :name FOR KEY SHARE")  # noqa: S608

_MOVE = text("UPDATE schedules SET next_at = :next_at WHERE id = :id")

_RUN = text(
    """
    INSERT INTO schedule_runs (schedule_id, tick_at, agent_id, manual)
    VALUES (:schedule, COALESCE(:tick_at, clock_timestamp()), :agent, CAST(:tick_at AS timestamptz) IS NULL)
    ON CONFLICT DO NOTHING RETURNING tick_at
    """
)

_LIST = text(
    """
    SELECT s.name, s.cron, s.timezone, s.program, s.task, s.priority, s.next_at, s.created_at,
           last.fired_at AS last_at, last.agent_id AS last_agent, a.state AS last_state
    FROM schedules s
    LEFT JOIN LATERAL (
        SELECT fired_at, agent_id FROM schedule_runs r WHERE r.schedule_id = s.id ORDER BY tick_at DESC LIMIT 1
    ) last ON true
    LEFT JOIN agents a ON a.id = last.agent_id
    ORDER BY s.name
    """
)

_HISTORY = text(
    """
    SELECT r.tick_at, r.fired_at, r.manual, r.agent_id, a.state, a.error ->> 'message' AS error
    FROM schedule_runs r JOIN schedules s ON s.id = r.schedule_id LEFT JOIN agents a ON a.id = r.agent_id
    WHERE s.name = :name ORDER BY r.tick_at DESC LIMIT :limit
    """
)


class Schedule(NamedTuple):
    """What is started, and when it is due next."""

    id: UUID
    name: str
    cron: str
    timezone: str
    program: str
    task: Json
    priority: int
    next_at: datetime


def add(tx: Transaction, row: JsonObject, *, replace: bool) -> None:
    """Store a schedule; one of the same name keeps its history when it is replaced.

    Raises:
        InvalidArgument: the name is taken, and `replace` is not asked for.
    """
    statement = insert(schedules).values(row)
    if replace:
        changes = {name: statement.excluded[name] for name in row if name not in ("id", "name")}
        statement = statement.on_conflict_do_update(index_elements=["name"], set_=changes)
    else:
        statement = statement.on_conflict_do_nothing()
    if tx.execute(statement.returning(schedules.c.id)).first() is None:
        raise InvalidArgument("schedule name", row["name"], "it is taken; remove that schedule first, or replace it")


def due(tx: Transaction) -> Schedule | None:
    """The longest overdue schedule that nobody else is firing now, locked until the transaction ends."""
    row = tx.execute(_DUE).first()
    return Schedule(*row) if row else None


def fire(
    tx: Transaction, schedule: Schedule, *, tick_at: datetime | None, limits: LimitSettings, end_unknown: bool = False
) -> UUID | None:
    """Start the agent of one tick; None when this tick has started one before.

    Args:
        tx: the transaction to do it in.
        schedule: whose tick.
        tick_at: the tick; None: now, on somebody's demand.
        limits: bounds on agents that wait.
        end_unknown: when no worker has loaded the program, end the agent with that error, for the history to show,
            instead of raising it.

    Raises:
        UnknownProgram: no worker has loaded the program.
        QueueFull: too many agents wait to be started.
    """
    error = _unknown(tx, schedule.program)
    if error is not None and not end_unknown:
        raise error
    row = agent_row(schedule.program, schedule.task, priority=schedule.priority, limits=limits)
    values = {"schedule": schedule.id, "tick_at": tick_at, "agent": row["id"]}
    if tx.execute(_RUN, values).first() is None:
        return None
    agent = agents.submit(tx, row, limit=limits.queued_agents, anyway=True)
    assert agent is not None
    if error is not None:
        agents.fail(tx, agent, error=error)
    return agent


def move(tx: Transaction, schedule: Schedule, *, next_at: datetime) -> None:
    """Say when a schedule is due next."""
    tx.execute(_MOVE, {"id": schedule.id, "next_at": next_at})


def named(tx: Transaction, name: str) -> Schedule:
    """The schedule of that name, which nobody removes until the transaction ends.

    Raises:
        NotFound: there is none.
    """
    row = tx.execute(_NAMED, {"name": name}).first()
    if row is None:
        raise NotFound("schedule", name)
    return Schedule(*row)


def remove(tx: Transaction, name: str) -> None:
    """Forget a schedule and its history; agents that it started go on.

    Raises:
        NotFound: there is none.
    """
    if tx.execute(schedules.delete().where(schedules.c.name == name)).rowcount == 0:
        raise NotFound("schedule", name)


def listing(tx: Transaction) -> list[JsonObject]:
    """All schedules by name, each with its last run."""
    return [dict(row) for row in tx.execute(_LIST).mappings()]


def history(tx: Transaction, name: str, *, limit: int) -> list[JsonObject]:
    """The newest runs of a schedule, newest first; `state` is None for an agent that has been pruned."""
    return [dict(row) for row in tx.execute(_HISTORY, {"name": name, "limit": limit}).mappings()]


def clock(tx: Transaction) -> datetime:
    """The time, as everything here counts it."""
    now: datetime = tx.execute(text("SELECT clock_timestamp()")).scalar_one()
    return now


def _unknown(tx: Transaction, program: str) -> UnknownProgram | None:
    try:
        check_program(program, known=workers.known_programs(tx))
    except UnknownProgram as error:
        return error
    return None
