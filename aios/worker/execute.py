"""Executing one syscall: claim it, perform it, complete it or give it back, ring what follows."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aios.db import recovery, syscalls
from aios.dispatch import agent_bell, chain_bell
from aios.errors import AiosError, DatabaseUnavailable, FinalError, Ignored
from aios.kernel.ids import new_token
from aios.kernel.ports import Claimed, Executor, Outcome
from aios.kernel.retry import Again, decide
from aios.kernel.words import SyscallState
from aios.log import logger

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from aios.db.session import Database, Transaction
    from aios.db.syscalls import Settled
    from aios.dispatch import Dispatch
    from aios.settings import Settings
    from aios.worker.incarnation import Incarnation

log = logger(__name__)

_LIVE = frozenset({SyscallState.RUNNING, None})


@dataclass(frozen=True)
class Execution:
    """Executes syscalls of the pools that this process serves."""

    database: Database
    dispatch: Dispatch
    incarnation: Incarnation
    executors: Mapping[str, Executor]
    settings: Settings

    def run(self, syscall: UUID, *, pool: str, chained: bool = False) -> None:
        """Execute one syscall.

        Args:
            syscall: its id.
            pool: the pool it came through.
            chained: the message's chain goes on with the plan's next link by itself.

        Raises:
            Ignored: there was nothing to do, or it did not end well: the chain stops here.
        """
        call = self._claim(syscall, pool)
        self.incarnation.hold(call)
        try:
            settled = self._end(call, self._perform(call))
        finally:
            self.incarnation.drop(call)
        self._ring(call, settled, chained=chained)
        if settled is None or (chained and not settled.rest):
            raise Ignored

    def _claim(self, syscall: UUID, pool: str) -> Claimed:
        with self.database.transaction() as tx:
            call = syscalls.claim(tx, syscall, token=new_token(), incarnation=self.incarnation.id)
            state = None if call else syscalls.state_of(tx, syscall)
        if call is not None:
            return call
        if state not in _LIVE:  # settled, blocked or its agent is paused: its grant must not hold a place
            self.dispatch.ring(done=[(pool, str(syscall))])
        raise Ignored

    def _perform(self, call: Claimed) -> Outcome | AiosError:
        try:
            return self.executors[call.pool].perform(call)
        except AiosError as error:
            return error
        except Exception as error:
            log.exception("%s.%s %s raised", call.pool, call.op, call.id)
            return FinalError(f"{type(error).__name__}: {error}")

    def _end(self, call: Claimed, outcome: Outcome | AiosError) -> Settled | None:
        """Write the outcome, however long Postgres takes: a finished answer is not dropped before its deadline."""
        deadline = time.monotonic() + max(60.0, call.seconds_left)
        pause = 0.1
        while True:
            try:
                return self._write(call, outcome)
            except DatabaseUnavailable as error:
                if time.monotonic() > deadline:
                    raise
                log.warning("%s.%s %s: not yet written: %s", call.pool, call.op, call.id, error)
            except AiosError as error:  # the effect itself was refused
                outcome = error
            except Exception as error:
                log.exception("%s.%s %s: its effect raised", call.pool, call.op, call.id)
                outcome = FinalError(f"{type(error).__name__}: {error}")
            time.sleep(pause * (1 + random.random()))  # noqa: S311  # jitter
            pause = min(2.0, pause * 2)

    def _write(self, call: Claimed, outcome: Outcome | AiosError) -> Settled | None:
        try:
            with self.database.transaction() as tx:
                settled = self._settle(tx, call, outcome)
                _check(tx, call, settled)
        except _Stale:
            log.info("%s.%s %s: a stale write was fenced", call.pool, call.op, call.id)
            with self.database.transaction() as tx:
                recovery.count(tx, fenced=1)
            return None
        return settled

    def _settle(self, tx: Transaction, call: Claimed, outcome: Outcome | AiosError) -> Settled | None:
        if isinstance(outcome, Outcome):
            return syscalls.complete(tx, call, outcome)
        verdict = decide(
            outcome,
            op=f"{call.pool}.{call.op}",
            errors=call.errors,
            settings=self.settings.retry,
            random=random.random,
        )
        if isinstance(verdict, Again):
            given = syscalls.give_back(
                tx, call, delay_seconds=verdict.delay_seconds, errors=int(verdict.counts), error=outcome
            )
            return syscalls.Settled(agent_woken=False) if given else None
        return syscalls.fail(tx, id=call.id, agent_id=call.agent_id, token=call.token, error=verdict.error)

    def _ring(self, call: Claimed, settled: Settled | None, *, chained: bool) -> None:
        add = []
        if settled is not None and settled.agent_woken:
            add.append(agent_bell(call.agent_id, priority=call.priority))
        elif settled is not None and settled.rest and not chained:
            add.append(chain_bell(settled.rest, priority=call.priority))
        self.dispatch.ring(done=[(call.pool, str(call.id))], add=add)


class _Stale(Exception):  # rolls back the transaction; never leaves this module
    """The claim was taken away meanwhile."""


def _check(tx: Transaction, call: Claimed, settled: Settled | None) -> None:
    """Roll back, with all effects, when the claim is no longer ours; unless this very claim settled it before."""
    if settled is None and not syscalls.was_settled(tx, call):
        raise _Stale
