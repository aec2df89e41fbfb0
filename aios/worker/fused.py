"""The profile `fused`: a process goes on by itself with what it was just granted, where `pools` would send a message.

A light syscall that a drive asks for alone is claimed by the statement that writes it down, or even done by it (`direct.py`),
and waits for nothing.
Who completes the last syscall of a request drives the agent (`Execution.drive`); one ring then releases the grant, adds what
the agent asks for next, and grants. What the process takes of that was granted like all else, in its turn, and only when no
message stands before it. A process that dies with it loses a doorbell, which rings again.
"""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import UUID

from aios.errors import AiosError, Ignored
from aios.kernel.light import LIGHT
from aios.kernel.words import Pool
from aios.log import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aios.dispatch import Announced, Dispatch, Hand, Held
    from aios.worker.drive import Drive
    from aios.worker.execute import Execution

log = logger(__name__)

_STEPS: Final = 8  # a message goes on with so many syscalls at most, and for so long
_SECONDS: Final = 1.0


@dataclass(frozen=True)
class Fused:
    """Goes on where a message's work ends."""

    dispatch: Dispatch
    drive: Drive
    execution: Execution
    names: frozenset[str]

    @classmethod
    def of(cls, dispatch: Dispatch, drive: Drive, execution: Execution, *, pools: Iterable[str], on: bool) -> Fused:
        """For a process that serves `pools`; takes nothing unless `on`."""
        own = [pool for pool in pools if pool != Pool.SYSTEM]
        return cls(dispatch, drive, execution, frozenset([*own, *LIGHT]) if on else frozenset())

    def run(self, work: Callable[[], None], *, announced: Announced | None = None) -> None:
        """Do a message's work, and what is granted to this process by it.

        Args:
            work: the message's.
            announced: a context for each step that had no message, so that others see it.

        Raises:
            Ignored: there was nothing to do for the message itself.
        """
        if not self.names:
            work()
            return
        end = time.monotonic() + _SECONDS
        with self.dispatch.taking(self.names, announced) as hand:
            try:
                ignored = _ignored(work)
                self._go_on(hand, end)
            finally:
                if hand.claimed is not None:  # something broke: the next heartbeat gives it back
                    self.execution.incarnation.forget(hand.claimed.token)
        if ignored:
            raise Ignored

    def _go_on(self, hand: Hand, end: float) -> None:
        for left in range(_STEPS - 1, -1, -1):
            held = hand.take()
            if held is None:
                return
            if left == 0 or time.monotonic() > end:
                hand.close()
            with hand.announced(held.bell) if hand.announced else nullcontext():
                self._step(held)

    def _step(self, held: Held) -> None:
        pool, _, member = held.bell.links[0]
        try:
            if held.call is not None:
                self.execution.go_on(held.call)
            elif pool == Pool.AGENT:
                self.drive.run(UUID(member))
            else:
                self.execution.run(UUID(member), pool=pool, granted_at=held.at)
        except Ignored:
            pass
        except AiosError as error:  # before anything was claimed: the bell rings again
            log.warning("%s", error)


def _ignored(work: Callable[[], None]) -> bool:
    try:
        work()
    except Ignored:
        return True
    return False
