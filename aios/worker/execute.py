"""Executing one syscall: claim it, perform it, complete it or give it back, ring what follows."""

from __future__ import annotations

import random
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from aios.access.gate import Gate, Parked, tell_denied
from aios.db import approvals, recovery, syscalls
from aios.db.settlement import Link, Settled
from aios.dispatch import SCARCE, Ring, agent_bell, chain_bell
from aios.errors import (
    AiosError,
    BrokerUnavailable,
    DeniedError,
    EngineOverloaded,
    FinalError,
    Ignored,
    OutcomeUnknown,
    Preempted,
)
from aios.kernel.ids import new_token
from aios.kernel.ports import Claimed, Executor, MayStick, Outcome
from aios.kernel.retry import Again, decide
from aios.kernel.words import Pool, SyscallState
from aios.log import logger
from aios.ready import Done
from aios.worker.flusher import Unflushed
from aios.worker.patience import patiently

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from uuid import UUID

    from aios.db.agents import Taker
    from aios.db.session import Database, Transaction
    from aios.dispatch import Dispatch
    from aios.ready import Bell
    from aios.settings import Settings
    from aios.worker.drive import Drive
    from aios.worker.flusher import Flusher
    from aios.worker.incarnation import Incarnation

log = logger(__name__)

_CONFIRMED = frozenset({Pool.LLM, Pool.TOOL})
"""Pools whose grants stand for something that others may have by now; elsewhere they are a window before the workers."""


@dataclass(frozen=True)
class Execution:
    """Executes syscalls of the pools that this process serves.

    Attributes:
        drive: drives the agents that its syscalls wake, here and now (the profile `fused`); None leaves them to their pool.
    """

    database: Database
    dispatch: Dispatch
    incarnation: Incarnation
    executors: Mapping[str, Executor]
    settings: Settings
    flusher: Flusher
    drive: Drive | None = None

    def run(self, syscall: UUID, *, pool: str, chained: bool = False, granted_at: float = 0.0) -> None:
        """Execute one syscall.

        Args:
            syscall: its id.
            pool: the pool it came through.
            chained: the message's chain goes on with the plan's next link by itself.
            granted_at: when it was granted to this very process, by its monotonic clock; 0: it came with a message.

        Raises:
            Ignored: there was nothing to do, or it did not end well: the chain stops here.
        """
        token = new_token()
        known = pool in SCARCE  # never a later link, which has no grant of its own
        with ExitStack() as claim, self._confirming(syscall, pool, granted_at, known=known) as confirmed:
            claim.enter_context(self.incarnation.holding(token))
            call = patiently(lambda: self._claim(syscall, pool, token), what=f"{pool} {syscall}")
            settled = self._execute(call, confirmed, claim, chained=chained)
        self._leave_if_stuck(call.pool)
        if settled is None or (chained and not settled.rest):
            raise Ignored

    def go_on(self, call: Claimed, *, granted_at: float) -> None:
        """Execute what was claimed for this process by the record of the drive that asked for it.

        Args:
            call: the claim.
            granted_at: when it was granted, by this process' monotonic clock; 0: it holds no grant.

        Raises:
            Ignored: this process may no longer execute it.
        """
        with ExitStack() as claim, self._confirming(call.id, call.pool, granted_at, known=True) as confirmed:
            claim.enter_context(self.incarnation.holding(call.token))
            own = replace(call, valid=partial(self.incarnation.valid, call.token))
            self._execute(own, confirmed, claim, granted=granted_at > 0)
        self._leave_if_stuck(call.pool)

    def _execute(
        self,
        call: Claimed,
        confirmed: Callable[[], bool],
        claim: ExitStack,
        *,
        granted: bool = True,
        chained: bool = False,
    ) -> Settled | None:
        """Perform a claimed syscall, write down what came of it, and ring what follows.

        A result without an effect does not wait for the disk: the flusher keeps the claim until it is there.
        """
        self.incarnation.hold(call)
        begun = time.monotonic()
        outcome = self._perform(call, confirmed)
        lazy = isinstance(outcome, Outcome) and outcome.effect is None
        since = time.monotonic()
        hand = self.dispatch.hand
        if hand is not None and self._is_stuck(call.pool):  # this process is about to end
            hand.close()
        with self.incarnation.driving(call.agent_id):  # the agent may be claimed with its answer
            settled, after = self._end(call, outcome, lazy=lazy)
            if lazy and settled is not None:
                self.incarnation.settled(call.token)
                again = partial(self._write_again, call, outcome, chained=chained)
                self.flusher.later(Unflushed(since, claim.pop_all(), again, after))
            else:  # what is cached is right before anybody can go on
                after()
            done = partial(_done, call, outcome, time.monotonic() - begun) if granted else None
            if settled is None and self._has_another_claim(call):  # whose the grant is
                done = None
            ring = self._following(call, settled, done, chained=chained)
        if ring.done or ring.add:
            self.dispatch.ring(done=ring.done, add=ring.add)
        return settled

    def _write_again(self, call: Claimed, outcome: Outcome | AiosError | Parked, *, chained: bool) -> None:
        """What a crash of Postgres undid; the agent is left to whoever drives it."""
        alone = replace(self, drive=None)
        settled, _ = alone._end(call, outcome)  # noqa: SLF001  # it is another one of this class
        self.dispatch.ring(add=alone._following(call, settled, None, chained=chained).add)  # noqa: SLF001  # as above

    def _leave_if_stuck(self, pool: str) -> None:
        """End a pool child in which a tool still runs past its time: no thread can be stopped, a process can."""
        if self._is_stuck(pool) and not self.incarnation.held():
            self.incarnation.retire()

    def _is_stuck(self, pool: str) -> bool:
        if pool != Pool.TOOL:  # foreign code runs nowhere else, and Python takes long to look at a protocol
            return False
        executor = self.executors[pool]
        return isinstance(executor, MayStick) and executor.stuck

    def _claim(self, syscall: UUID, pool: str, token: UUID) -> Claimed:
        incarnation = self.incarnation.current()
        with self.database.statement() as tx:
            call = syscalls.claim(tx, syscall, token=token, incarnation=incarnation)
            state = None if call else syscalls.state_of(tx, syscall)
        if call is not None:
            return replace(call, valid=partial(self.incarnation.valid, token))
        if (
            state != SyscallState.RUNNING
        ):  # settled, blocked, paused or lost with Postgres: its grant must not hold a place
            self.dispatch.ring(done=[(pool, str(syscall))])
        raise Ignored

    def _perform(self, call: Claimed, confirmed: Callable[[], bool]) -> Outcome | AiosError | Parked:
        if not call.valid():  # this process was stopped since: by now it may be somebody else's
            raise Ignored
        if not confirmed():
            return Preempted(call.pool, 0)
        try:
            passed = Gate(self.database, self.settings.access).admit(call)
            if isinstance(passed, Parked):
                return passed
            return passed.finish(self.executors[call.pool].perform(passed.call))
        except AiosError as error:
            return error
        except Exception as error:
            log.exception("%s.%s %s raised", call.pool, call.op, call.id)
            return FinalError(f"{type(error).__name__}: {error}")

    @contextmanager
    def _confirming(self, syscall: UUID, pool: str, granted_at: float, *, known: bool) -> Iterator[Callable[[], bool]]:
        """Ask, while it is claimed, whether its grant still holds: its message may have been under way for longer than that."""
        fresh = time.monotonic() - granted_at < self.settings.worker.grant_seconds / 2
        if fresh or pool not in _CONFIRMED:
            yield lambda: True
            return
        with self.dispatch.ready.confirming(str(syscall), known=known) as answer:

            def confirmed() -> bool:
                try:
                    return answer()
                except BrokerUnavailable:  # nobody else is granted anything either
                    return True

            yield confirmed

    def _end(
        self, call: Claimed, outcome: Outcome | AiosError | Parked, *, lazy: bool = False
    ) -> tuple[Settled | None, Callable[[], None]]:
        """Write the outcome, however long Postgres takes: a finished answer is not dropped, and nobody can take it over.

        Gives what follows, and what is still to be done when the outcome was written as it is.
        """
        what = f"{call.pool}.{call.op} {call.id}"
        try:
            settled = patiently(lambda: self._write(call, outcome, lazy=lazy), what=what)
        except AiosError as error:  # the effect itself was refused
            refused = error
        except Exception as error:
            log.exception("%s: its effect raised", what)
            refused = FinalError(f"{type(error).__name__}: {error}")
        else:
            after = None
            if settled is not None and isinstance(outcome, Outcome) and (lazy or not settled.before):
                after = outcome.after  # what an effect told of a version that was rolled back is not
            return settled, after or _nothing
        return patiently(lambda: self._write(call, refused), what=what), _nothing

    def _write(self, call: Claimed, outcome: Outcome | AiosError | Parked, *, lazy: bool = False) -> Settled | None:
        effect = isinstance(outcome, Outcome) and outcome.effect is not None
        whole = effect or isinstance(outcome, DeniedError)  # which the audit log is told of
        taker = self.drive.taker() if self.drive else None
        if isinstance(outcome, Outcome) and outcome.clauses is not None and self.settings.worker.at_once:
            with self.database.statement() as tx:
                settled = syscalls.complete_at_once(tx, call, outcome, taker=taker)
            if settled is not None:
                return settled
        try:
            with self.database.transaction() if whole else self.database.statement() as tx:
                settled = self._settle(tx, call, outcome, taker, lazy=lazy)
                if settled is None:
                    raise _NotMine
        except _NotMine:  # with all effects rolled back
            return self._why_not_mine(call)
        return settled

    def _has_another_claim(self, call: Claimed) -> bool:
        def runs() -> bool:
            with self.database.statement() as tx:
                return syscalls.state_of(tx, call.id) == SyscallState.RUNNING

        return patiently(runs, what=str(call.id))

    def _why_not_mine(self, call: Claimed) -> Settled | None:
        with self.database.statement() as tx:
            if syscalls.was_settled(tx, call):  # by this very claim: its COMMIT went through, only the reply was lost
                return Settled(agent_woken=True, before=True)
            log.info("%s.%s %s: a stale write was fenced", call.pool, call.op, call.id)
            recovery.count(tx, fenced=1)
        return None

    def _settle(
        self,
        tx: Transaction,
        call: Claimed,
        outcome: Outcome | AiosError | Parked,
        taker: Taker | None,
        *,
        lazy: bool,
    ) -> Settled | None:
        if isinstance(outcome, Outcome):
            return syscalls.complete(tx, call, outcome, taker=taker, lazy=lazy)
        if isinstance(outcome, Parked):  # a human must be asked first: nothing of this process is held meanwhile
            return Settled(agent_woken=False) if approvals.park(tx, outcome.row) else None
        verdict = decide(
            outcome,
            op=f"{call.pool}.{call.op}",
            errors=call.errors,
            settings=self.settings.retry,
            random=random.random,
            age_seconds=call.age_seconds,
        )
        if isinstance(verdict, Again):
            given = syscalls.give_back(
                tx, call, delay_seconds=verdict.delay_seconds, errors=int(verdict.counts), error=outcome
            )
            if given is None:
                return None
            return Settled(agent_woken=False, again=not verdict.delay_seconds, age_seconds=given)
        unknown = isinstance(verdict.error, OutcomeUnknown)
        settled = syscalls.fail(
            tx,
            id=call.id,
            agent_id=call.agent_id,
            token=call.token,
            error=verdict.error,
            unknown=unknown,
            taker=taker,
        )
        if settled is not None and isinstance(verdict.error, DeniedError):
            tell_denied(tx, call, verdict.error)
        return settled

    def _following(
        self, call: Claimed, settled: Settled | None, done: Callable[[], Done] | None, *, chained: bool
    ) -> Ring:
        """What is to be told the ready sets: the grant that ends, and the bells of what follows."""
        if settled is not None and settled.agent_woken:
            return self._onward(call, settled, done)
        bells: list[Bell] = []
        if settled is not None and settled.again:
            link = Link(call.pool, call.op, call.id, call.limit_key, call.tokens)
            bells = [chain_bell([link], priority=call.priority, payer=call.payer, age_seconds=settled.age_seconds)]
        elif settled is not None and settled.rest and not chained:
            bells = [chain_bell(settled.rest, priority=call.priority, payer=call.payer)]
        return Ring([done()] if done else [], bells)

    def _onward(self, call: Claimed, settled: Settled, done: Callable[[], Done] | None) -> Ring:
        """What the woken agent asks for next, if it is driven here and now; else the bell that lets it be driven."""
        ring: Ring | None = None
        if self.drive is not None and settled.taken is not None:
            with suppress(Ignored):
                ring = self.drive.step(call.agent_id, done=done, taken=settled.taken)
        bell = agent_bell(call.agent_id, priority=call.priority, payer=call.payer)
        return Ring([done()] if done else [], [bell]) if ring is None else ring


def _done(call: Claimed, outcome: Outcome | AiosError | Parked, seconds: float) -> Done:
    """What it is charged; after a 429 its key pauses as long as was asked for."""
    pause = float(outcome.args[1]) if isinstance(outcome, EngineOverloaded) else 0.0
    tokens = outcome.usage.total if isinstance(outcome, Outcome) and outcome.usage else 0
    return Done(call.pool, str(call.id), seconds, tokens, pause)


def _nothing() -> None:
    """There is nothing to do."""


class _NotMine(Exception):  # rolls back the transaction; never leaves this module
    """Nothing was written: the claim was taken away meanwhile, or settled before."""
