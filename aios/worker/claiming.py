"""Claims that a drive makes by its record (the profile `fused`): of what is light, and of what its thread is granted at once.

The grant is asked for before the record, for this thread or nobody: nobody else could claim what is not written yet. A process
that dies in between leaves a grant whose lease ends, and whose bell then finds nothing.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aios.db.journal import Claim
from aios.db.settlement import Link
from aios.dispatch import chain_bell
from aios.kernel.ids import new_id, new_token
from aios.kernel.light import is_light
from aios.kernel.words import SyscallState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from aios.db.agents import Driven
    from aios.db.journal import Progress
    from aios.dispatch import Dispatch, Hand
    from aios.kernel.plan import Call
    from aios.kernel.ports import Claimed
    from aios.ready import Bell, Done
    from aios.worker.incarnation import Incarnation


@dataclass
class Own:
    """What a drive claims of what it asks for.

    Attributes:
        done: tells of the grant under which it is driven, until it was told; None: there is none.
        alone: it waits for nothing else, so that nobody wakes it meanwhile.
        claim: to be made by the record; None: whoever is rung claims it.
        bell: what was asked for it, and may have been granted; None: it needs no grant.
        granted_at: when it was, by this process' monotonic clock.
        call: what was claimed, once it is written.
    """

    done: Callable[[], Done] | None
    alone: bool
    claim: Claim | None = None
    bell: Bell | None = None
    granted_at: float = 0.0
    call: Claimed | None = None

    @property
    def unclaimed(self) -> list[Bell]:
        """What was granted, and is written down, but not claimed."""
        return [self.bell] if self.bell is not None and self.claim is not None and self.call is None else []

    def released(self) -> list[Done | tuple[str, str]]:
        """The grants that the drive leaves: its own, and one that came to nothing."""
        left: list[Done | tuple[str, str]] = [self.done()] if self.done else []
        if self.bell is not None and self.call is None:
            left.append((self.bell.key, self.bell.id))
        return left


@dataclass(frozen=True)
class Claiming:
    """Decides what a drive claims, and hands it to its thread.

    Attributes:
        asks: ask for the grant of what is not light.
    """

    dispatch: Dispatch
    incarnation: Incarnation
    asks: bool

    @contextmanager
    def of(self, driven: Driven, progress: Progress, own: Own) -> Iterator[None]:
        """Record a drive inside: what is claimed then, its thread goes on with."""
        hand = self.dispatch.hand
        plans = [item.plan for item in progress.issued if item.plan]
        if hand is not None and hand.claimed is None and len(plans) == 1 and not progress.outcome:
            self._decide(driven, plans[0], hand, own)
        if hand is None or own.claim is None:
            yield
            return
        token = own.claim.token
        self.incarnation.expect(token)
        try:
            yield
            if own.call is not None:
                hand.claim(own.call, at=own.granted_at)
        except Exception:
            if own.bell is not None:
                self.dispatch.ring(done=own.released())
            raise
        finally:
            if hand.claimed is None:  # it came to nothing
                self.incarnation.forget(token)

    def _decide(self, driven: Driven, plan: Sequence[Call], hand: Hand, own: Own) -> None:
        first = plan[0]
        if is_light(plan) and hand.claims:
            own.claim = Claim(new_token(), new_id())
        elif self.asks and own.alone and first.pool in hand.names and _is_ready(first):
            claim, at = Claim(new_token(), new_id()), time.monotonic()
            link = Link(first.pool.value, first.op, claim.id, first.limit_key, first.tokens)
            bell = chain_bell([link], priority=driven.priority, payer=driven.payer)
            if self.dispatch.crowded(bell.key):
                return
            granted = self.dispatch.ask(bell, done=[own.done()] if own.done else [])
            if granted is None:  # it may have been, and the answer was lost
                own.bell = bell
            else:
                own.done = None
            if granted:
                own.claim, own.bell, own.granted_at = claim, bell, at


def _is_ready(call: Call) -> bool:
    return call.state is SyscallState.QUEUED and call.approval is None
