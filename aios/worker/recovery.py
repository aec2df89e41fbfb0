"""Recovery: a timer in every worker, one at a time under a lock in Postgres, never dependent on the broker it repairs.

It takes back what dead workers held, ends what is overdue, wakes what is due, rings again what nobody heard, and rebuilds
the ready sets after a wipe.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from aios.access import answers
from aios.db import agents, audit, recovery, steering, syscalls, workers
from aios.dispatch import agent_bell, bells_of
from aios.errors import (
    AiosError,
    BrokerUnavailable,
    BudgetSpent,
    CallTooLarge,
    OutcomeUnknown,
    Quarantined,
    SyscallExpired,
)
from aios.kernel.words import Effect, Pool
from aios.log import logger
from aios.worker import host
from aios.worker.drive import answer_waits
from aios.worker.order import START, Order

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from aios.db.session import Database
    from aios.dispatch import Dispatch
    from aios.ready import Bell
    from aios.settings import Settings
    from aios.worker.order import Read

log = logger(__name__)

_UNHEARD_SECONDS = 2.0  # a queued row this old should be ready or granted: else its ring was lost on the way to Redis
_PAGES = 4


def _nothing(_process: str) -> None:
    return None


@dataclass
class Recovery:
    """The tick of one process.

    Attributes:
        on_death: called with the name of each process of this host that is found dead.
    """

    database: Database
    dispatch: Dispatch
    settings: Settings
    on_death: Callable[[str], None] = _nothing
    _stop: threading.Event = field(default_factory=threading.Event)
    _seen_syscall: UUID = START
    _seen_agent: UUID = START

    def __post_init__(self) -> None:
        """Keep the ready sets of the database in order."""
        self._order = Order(self.database, self.dispatch.ready, self.settings)

    def start(self) -> None:
        """Tick from now on."""
        threading.Thread(target=self._tick_on, name="aios-recovery", daemon=True).start()

    def stop(self) -> None:
        """Tick no more."""
        self._stop.set()

    def tick(self) -> bool:
        """Do one tick; False when another process does it now."""
        with self.database.transaction(durable=False) as guard:
            if not recovery.lock(guard):
                return False
            with self.database.statement() as tx:
                settled = recovery.tick(tx, lease_seconds=self.settings.worker.lease_seconds)
            bury, wake = partial(self._bury, settled=settled), (self._wake_due, self._wake_waiting)
            for step in (bury, self._end_overdue, *wake, self._look_after_access):
                _guarded(step)
                recovery.hold(guard)
            self._ring(partial(recovery.hold, guard))
            recovery.ticked(guard)
        return True

    def _wake_waiting(self) -> None:
        answer_waits(self.database, self.dispatch)

    def _look_after_access(self) -> None:
        """Answer what no human answered in time, and seal the audit log; who writes it never waits for that."""
        for agent in answers.expire(self.database, self.settings.access):
            with self.database.statement() as tx:
                bells = bells_of(steering.waiting(tx, [agent]))
            self.dispatch.ring(add=bells)
        for _ in range(_PAGES):
            with self.database.transaction() as tx:
                if audit.seal(tx) < audit.BATCH:
                    break

    # --- the dead ---------------------------------------------------------------------------------------------------

    def _bury(self, *, settled: bool) -> None:
        self._notice_local_deaths()
        with self.database.statement() as tx:
            found = recovery.dead(tx, settled=settled)
        for incarnation in found:
            self._take_back(incarnation)

    def _notice_local_deaths(self) -> None:
        """A process of this host that is gone is dead now, not when its lease ends."""
        with self.database.statement() as tx:
            here = workers.on_host(tx, host.name())
        for incarnation, pid, born in here:
            if not host.is_alive(pid, born):
                self.on_death(host.process(pid, born))  # first: what is taken back below begins anew at once
                with self.database.statement() as tx:
                    workers.release(tx, incarnation)

    def _take_back(self, incarnation: UUID) -> None:
        with self.database.statement() as tx:
            held, driven = recovery.held_by(tx, incarnation), recovery.driven_by(tx, incarnation)
        log.info("incarnation %s is dead: %d syscalls, %d drives", incarnation, len(held), len(driven))
        self._take_back_calls([call for call in held if self._end_of(call) is None])
        for call in held:
            error = self._end_of(call)
            if error is not None:
                self._end_call(call, error)
        for agent, crashes in driven:
            self._take_back_agent(agent, crashes, incarnation)
        if len(held) < recovery.BATCH and len(driven) < recovery.BATCH:
            with self.database.transaction() as tx:
                workers.leave(tx, incarnation)

    def _end_of(self, call: recovery.Dead) -> AiosError | None:
        """The error by which a call ends whose worker died in it; None: it is executed again."""
        op = f"{call.pool}.{call.op}"
        if call.effect == Effect.ONCE:
            return OutcomeUnknown(op)
        return Quarantined(op, call.crashes + 1) if call.crashes + 1 >= self.settings.retry.crashes else None

    def _take_back_calls(self, calls: Sequence[recovery.Dead]) -> None:
        if not calls:
            return
        self._release([(call.pool, str(call.id)) for call in calls])
        with self.database.transaction() as tx:
            recovery.take_back(tx, calls)
            recovery.count(tx, requeued=len(calls))
        self._ring_for({call.agent_id for call in calls})

    def _end_call(self, call: recovery.Dead, error: AiosError) -> None:
        unknown = isinstance(error, OutcomeUnknown)
        with self.database.transaction() as tx:
            syscalls.fail(tx, id=call.id, agent_id=call.agent_id, token=call.token, error=error, unknown=unknown)
            recovery.count(tx, requeued=1)
        self._ring_for([call.agent_id], done=[(call.pool, str(call.id))])

    def _take_back_agent(self, agent: UUID, crashes: int, dead: UUID) -> None:
        self._release([("agent", str(agent))])
        with self.database.transaction() as tx:
            if recovery.drive_again(tx, agent, dead=dead) is None:
                return
            if crashes + 1 >= self.settings.retry.crashes:
                error = Quarantined("agent.resume", crashes + 1)
                agents.fail(tx, agent, error=error)
        self._ring_for([agent])

    def _release(self, grants: Sequence[tuple[str, str]]) -> None:
        """Let a dead worker's grants go before what they were for may run again.

        Afterwards somebody might have it by a grant of his own, rung because the dead one's had lapsed, and would lose that.
        """
        self.dispatch.ring(done=grants)

    def _ring_for(self, agents: Collection[UUID], *, done: Sequence[tuple[str, str]] = ()) -> None:
        """Ring at once what agents have to run now."""
        with self.database.statement() as tx:
            bells = bells_of(steering.waiting(tx, list(agents)))
        self.dispatch.ring(done=done, add=bells)

    # --- the overdue and the due ----------------------------------------------------------------------------------------

    def _end_overdue(self) -> None:
        with self.database.statement() as tx:
            late = recovery.overdue(tx, lease_seconds=self.settings.worker.lease_seconds)
            over = recovery.overrun(tx)
        for row in late:
            error = SyscallExpired(f"{row.pool}.{row.op}", row.seconds)
            with self.database.transaction() as tx:
                syscalls.fail(tx, id=row.id, agent_id=row.agent_id, token=row.claim_token, error=error)
            self._ring_for([row.agent_id], done=[(row.pool, str(row.id))])
        for agent, seconds in over:
            with self.database.transaction() as tx:
                spent = BudgetSpent("seconds", seconds, f"more than {seconds}")
                agents.fail(tx, agent, error=spent)
            self.dispatch.ring(done=[("agent", str(agent))])

    def _wake_due(self) -> None:
        with self.database.transaction() as tx:
            due = recovery.timers(tx)
        for syscall, agent in due:
            with self.database.transaction() as tx:
                woken = syscalls.answer(tx, id=syscall, agent_id=agent)
                standing = agents.standing(tx, agent)
            if woken:
                self.dispatch.ring(add=[agent_bell(agent, **standing._asdict())])

    # --- the unheard ------------------------------------------------------------------------------------------------------

    def _ring(self, hold: Callable[[], None]) -> None:
        try:
            self._order.keep(hold)
            self._refuse(self.dispatch.ready.refused())
            bells = self._unheard()
            again = self.dispatch.ring(add=bells, keys=[pool.value for pool in Pool]) or 0
        except BrokerUnavailable as error:
            log.warning("ready sets: %s", error)
            return
        if bells or again:
            with self.database.transaction() as tx:
                recovery.count(tx, rung_again=len(bells) + again)

    def _refuse(self, refused: Mapping[str, tuple[str, int, int]]) -> None:
        """End what asks for more tokens than its key may ever use at once."""
        for syscall, too_large in refused.items():
            with self.database.transaction() as tx:
                agent = recovery.agent_of(tx, UUID(syscall))
                if agent is None:
                    continue
                syscalls.refuse(tx, id=UUID(syscall), agent_id=agent, error=CallTooLarge(*too_large))
            with self.database.statement() as tx:
                bells = bells_of(steering.waiting(tx, [agent]))
            self.dispatch.ring(add=bells)

    def _unheard(self) -> list[Bell]:
        """Bells for rows that wait in Postgres but that Redis does not know; the next tick looks further on."""
        bells, self._seen_syscall = self._some(
            partial(self._order.queued, older_seconds=_UNHEARD_SECONDS), self._seen_syscall
        )
        more, self._seen_agent = self._some(self._order.runnable, self._seen_agent)
        bells += more
        unknown = set(self.dispatch.ready.missing([(bell.key, bell.id) for bell in bells]))
        return self._lost([bell for bell in bells if (bell.key, bell.id) in unknown])

    def _lost(self, bells: list[Bell]) -> list[Bell]:
        """Those that nobody has answered since they were read: what is claimed leaves Redis too, and is not lost."""
        if not bells:
            return bells
        with self.database.statement() as tx:
            waiting = recovery.still_waiting(tx, [bell.id for bell in bells])
        return [bell for bell in bells if bell.id in waiting]

    @staticmethod
    def _some(read: Read, after: UUID) -> tuple[list[Bell], UUID]:
        """A few pages: a tick stays short however much waits."""
        bells: list[Bell] = []
        for _ in range(_PAGES):
            more, last = read(after)
            bells += more
            if last is None:
                return bells, START
            after = last
        return bells, after

    def _tick_on(self) -> None:
        """The first tick is at once: it grants what waits for a worker that was not there until now."""
        seconds = 0.0
        while not self._stop.wait(seconds):
            seconds = self.settings.worker.tick_seconds
            try:
                self.tick()
            except AiosError as error:
                log.warning("recovery: %s", error)
            except Exception:
                log.exception("recovery: the tick raised; the next one tries again")


def _guarded(step: Callable[[], None]) -> None:
    """Do one step of a tick; a row that it cannot read must not keep the others from their turn."""
    try:
        step()
    except AiosError:
        raise
    except Exception:
        log.exception("recovery: a step raised; the tick goes on without it")
