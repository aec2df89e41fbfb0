"""What the pool `system` does when beat rings: start what is due, and prune what is old.

Any number of workers and beats may ring at once, and any of them may die at any point: rows are claimed with their locks.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from aios.db import retention, schedules
from aios.dispatch import agent_bell
from aios.errors import AiosError, InvalidArgument
from aios.kernel.cron import next_tick
from aios.kernel.policy import Payer
from aios.log import logger

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from uuid import UUID

    from aios.db.session import Database, Transaction
    from aios.dispatch import Dispatch
    from aios.settings import LimitSettings
    from aios.storage.retention import Retention

log = logger(__name__)

_MOST_TICKS: Final = 1000  # of one ring; the next one is a second later
_BROKEN_PAUSE: Final = timedelta(hours=1)
_UNUSED: Final = timedelta(hours=1)  # of what may be shared: what is being written may not be referred to yet
_EVER: Final = timedelta(days=36_500)


class Pruned(NamedTuple):
    """How much of each kind was removed; agents took their journals, memories and files along."""

    agents: int
    schedule_runs: int
    contexts: int
    blobs: int
    file_versions: int = 0
    files: int = 0
    objects: int = 0


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


def prune(database: Database, *, older_than: timedelta, files: Retention | None = None) -> Pruned:
    """Remove agents whose whole tree ended longer ago than that, old versions of files, and what nobody needs without them.

    It works in short transactions that wait for nobody's rows, so it may run, and be broken off, at any time.

    Raises:
        InvalidArgument: the age is negative.
        DatabaseUnavailable: Postgres does not answer; what was done until then is done.
    """
    if older_than < timedelta(0):
        raise InvalidArgument("older_than", str(older_than), "give an age that is not negative")
    with database.transaction() as tx:
        ended, unused = retention.cutoff(tx, min(older_than, _EVER)), retention.cutoff(tx, _UNUSED)
    agents = _all(database, lambda tx: retention.drop_agents(tx, before=ended))
    dropped = files.drop(database) if files else None
    return Pruned(
        agents=agents,
        schedule_runs=_all(database, lambda tx: retention.drop_runs(tx, before=ended)),
        contexts=_sweep(database, before=unused),
        blobs=_all(database, lambda tx: retention.drop_blobs(tx, before=unused)),
        file_versions=dropped.versions if dropped else 0,
        files=dropped.files if dropped else 0,
        objects=files.sweep(database) if files else 0,
    )


def prune_quietly(database: Database, limits: LimitSettings, files: Retention | None = None) -> None:
    """Prune as the settings say, and log what came of it."""
    try:
        pruned = prune(database, older_than=timedelta(days=limits.retention_days), files=files)
    except AiosError as error:
        log.warning("pruning: %s; the next ring goes on", error)
    else:
        log.info("pruned %s", ", ".join(f"{count} {what}" for what, count in pruned._asdict().items()))


def _all(database: Database, batch: Callable[[Transaction], int]) -> int:
    removed = 0
    while True:
        with database.transaction() as tx:
            found = batch(tx)
        if not found:
            return removed
        removed += found


def _sweep(database: Database, *, before: datetime) -> int:
    with database.transaction() as tx:
        dead = retention.dead_contexts(tx, before=before)
    swept = 0
    for start in range(0, len(dead), retention.BATCH):
        with database.transaction() as tx:
            swept += retention.sweep_contexts(tx, dead[start : start + retention.BATCH], before=before)
    return swept


def _fire_one(database: Database, dispatch: Dispatch, limits: LimitSettings) -> bool:
    with database.transaction() as tx:
        due = schedules.due(tx)
        if due is None:
            return False
        agent = _start(tx, due, limits)
    if agent is not None:
        payer = Payer.of(agent, agent, tenant="default", owner="", program=due.program)
        dispatch.ring(add=[agent_bell(agent, priority=due.priority, payer=payer)])
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
