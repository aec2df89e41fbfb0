"""What the pool `system` does when beat rings: start what is due, and prune what is old.

Any number of workers and beats may ring at once, and any of them may die at any point: rows are claimed with their locks.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from aios.db import schedules
from aios.dispatch import agent_bell
from aios.errors import AiosError, InvalidArgument
from aios.kernel.cron import next_tick
from aios.log import logger

if TYPE_CHECKING:
    from uuid import UUID

    from aios.db.session import Database, Transaction
    from aios.dispatch import Dispatch
    from aios.settings import LimitSettings

log = logger(__name__)

_MOST_TICKS: Final = 1000  # of one ring; the next one is a second later
_BROKEN_PAUSE: Final = timedelta(hours=1)


def fire_due(database: Database, dispatch: Dispatch, limits: LimitSettings) -> int:
    """Start one agent for each schedule that is due; gives how many.

    Ticks that were missed, because every beat or every `system` worker was down, are made up for once: the first of them
    starts an agent, and the schedule goes on from now.
    """
    for fired in range(_MOST_TICKS):
        try:
            if not _fire_one(database, dispatch, limits):
                return fired
        except AiosError as error:
            log.warning("schedules: %s; the next ring tries again", error)
            return fired
    return _MOST_TICKS


def _fire_one(database: Database, dispatch: Dispatch, limits: LimitSettings) -> bool:
    with database.transaction() as tx:
        due = schedules.due(tx)
        if due is None:
            return False
        agent = _start(tx, due, limits)
    if agent is not None:
        dispatch.ring(add=[agent_bell(agent, priority=due.priority)])
    return True


def _start(tx: Transaction, due: schedules.Schedule, limits: LimitSettings) -> UUID | None:
    now = schedules.clock(tx)
    try:
        following = next_tick(due.cron, after=now, timezone=due.timezone)
    except InvalidArgument as error:  # it was good when it was stored: the time zone's data has changed
        log.error("schedule %r is put off by an hour: %s", due.name, error)  # noqa: TRY400  # the message says it all
        schedules.move(tx, due, next_at=now + _BROKEN_PAUSE)
        return None
    agent = schedules.fire(tx, due, tick_at=due.next_at, limits=limits, end_unknown=True)
    schedules.move(tx, due, next_at=following)
    return agent
