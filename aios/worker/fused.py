"""The profile `fused`: a process goes on by itself with what it was just granted, where `pools` would send a message.

A light syscall that a drive asks for alone is claimed by the statement that writes it down, or even done by it (`direct.py`),
and waits for nothing.
Who completes the last syscall of a request drives the agent (`Execution.drive`); one ring then releases the grant, adds what
the agent asks for next, and grants. What the process takes of that was granted like all else, in its turn, and only when no
message stands before it. A process that dies with it loses a doorbell, which rings again.
"""

from __future__ import annotations

import threading
import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from uuid import UUID

from aios.errors import AiosError, Ignored
from aios.kernel.light import LIGHT
from aios.kernel.words import Pool
from aios.log import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from aios.dispatch import Announced, Dispatch, Hand, Held
    from aios.worker.drive import Drive
    from aios.worker.execute import Execution

log = logger(__name__)

_STEPS: Final = 8  # a message goes on with so many syscalls, and for so long, while others wait
_SECONDS: Final = 1.0


@dataclass(frozen=True)
class Fused:
    """Goes on where a message's work ends.

    Attributes:
        names: of what it goes on with; none: with nothing.
        queues: it goes on beyond its steps and seconds as long as no message waits for any of these pools; none: no further.
        stopping: set: it takes nothing more.
    """

    dispatch: Dispatch
    drive: Drive
    execution: Execution
    names: frozenset[str]
    queues: Sequence[str] = ()
    stopping: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def of(
        cls,
        dispatch: Dispatch,
        drive: Drive,
        execution: Execution,
        *,
        pools: Iterable[str],
        on: bool,
        renews: bool = True,
    ) -> Fused:
        """For a process that serves `pools`; takes nothing unless `on`, and goes on for so long only unless it `renews`."""
        served = list(pools)
        names = frozenset([*LIGHT, *(pool for pool in served if pool != Pool.SYSTEM)])
        return cls(dispatch, drive, execution, names if on else frozenset(), served if renews else ())

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
                if hand.claimed and hand.claimed.call:  # something broke: the next heartbeat gives it back
                    self.execution.incarnation.forget(hand.claimed.call.token)
        if ignored:
            raise Ignored

    def _go_on(self, hand: Hand, end: float) -> None:
        left = _STEPS
        while (held := hand.take()) is not None:
            if hand.yields:  # nothing waited: as if it had just begun
                left, end, hand.yields = _STEPS, time.monotonic() + _SECONDS, ()
            left -= 1
            if self.stopping.is_set():
                hand.close()
            elif left == 0 or time.monotonic() > end:
                self._end(hand)
            try:
                with hand.announced(held.bell) if hand.announced else nullcontext():
                    self._step(held)
            except BaseException:
                if held.call is not None:
                    self.execution.incarnation.forget(held.call.token)
                raise

    def _end(self, hand: Hand) -> None:
        """It went on for long enough, if anything else is to be done. What it was granted before may have had others wait."""
        if self.queues and hand.granted is None:
            hand.yields = self.queues
        else:
            hand.close()

    def _step(self, held: Held) -> None:
        pool, _, member = held.bell.links[0]
        try:
            if held.call is not None:
                self.execution.go_on(held.call, granted_at=held.at)
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
