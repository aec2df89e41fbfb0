"""Dispatch: what became ready goes into the ready sets; what they grant is published, or taken by the thread that asked."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from aios.errors import BrokerUnavailable
from aios.kernel.words import Pool
from aios.log import logger
from aios.ready import Bell, Wiped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from aios.db.recovery import Waiting
    from aios.db.settlement import Link
    from aios.kernel.policy import Payer
    from aios.kernel.ports import Claimed
    from aios.publisher import Publisher
    from aios.ready import Done, Granted, ReadySets

log = logger(__name__)

Announced: TypeAlias = "Callable[[Bell], AbstractContextManager[object]]"
"""A context in which what a bell stands for is done."""

LONGEST_CHAIN: Final = 3
SCARCE: Final = frozenset({Pool.LLM})
"""Pools whose links wait for a grant of their own, so that a chain is cut before them."""


class Ring(NamedTuple):
    """What is to be told the ready sets.

    Attributes:
        done: what no longer needs its grant.
        add: what became ready.
    """

    done: Sequence[Done | tuple[str, str]] = ()
    add: Sequence[Bell] = ()


class Held(NamedTuple):
    """What a thread goes on with.

    Attributes:
        at: when it was granted, by this process' monotonic clock; 0: it needs no grant.
        call: it is claimed already.
    """

    bell: Bell
    at: float = 0.0
    call: Claimed | None = None


class Hand:
    """What a thread goes on with (aios/worker/fused.py): one of the grants of its own rings, and what it claimed itself.

    Attributes:
        announced: a context for each step that had no message, so that others see it.
        yields: it goes on only with what is granted while no message waits for any of these pools.
    """

    def __init__(self, names: frozenset[str], announced: Announced | None = None) -> None:
        self._names = names
        self.announced = announced
        self.yields: Sequence[str] = ()
        self.granted: Held | None = None
        self.claimed: Held | None = None

    @property
    def names(self) -> frozenset[str]:
        """What it would be granted now: one thing at a time, as others could have the place of the second."""
        holds = self.granted or (self.claimed and self.claimed.at)
        return frozenset() if holds else self._names

    @property
    def claims(self) -> bool:
        """Whether it goes on with what is claimed for it now, whatever waits."""
        return bool(self._names) and self.claimed is None and not self.yields

    def grant(self, bell: Bell) -> None:
        """It was granted this."""
        self.granted = Held(bell, time.monotonic())

    def claim(self, call: Claimed, *, at: float = 0.0) -> None:
        """It was claimed for this thread; granted at that time, if it needs a grant."""
        link = (call.pool, call.op, str(call.id))
        self.claimed = Held(Bell(call.pool, str(call.id), (link,), call.priority), at, call)

    def take(self) -> Held | None:
        """What to go on with, if anything; what is claimed first: beside a grant that is something light."""
        claimed, self.claimed = self.claimed, None
        if claimed is not None:
            return claimed
        granted, self.granted = self.granted, None
        return granted

    def close(self) -> None:
        """Take nothing more."""
        self._names = frozenset()


class Dispatch:
    """Ready sets and publisher together: what became ready goes in, what is granted is rung."""

    def __init__(self, ready: ReadySets, publisher: Publisher) -> None:
        self.ready = ready
        self._publisher = publisher
        self._thread = threading.local()
        self._crowded: set[str] = set()

    @contextmanager
    def taking(self, names: frozenset[str], announced: Announced | None = None) -> Iterator[Hand]:
        """Let this thread take one of the grants of each of its rings; what is left in its hand is published."""
        hand = self._thread.hand = Hand(names, announced)
        try:
            yield hand
        finally:
            del self._thread.hand
            if hand.granted is not None:
                with suppress(BrokerUnavailable):  # recovery rings it again
                    self._publisher.publish([hand.granted.bell])

    @property
    def hand(self) -> Hand | None:
        """This thread's; None: it goes on with nothing."""
        return getattr(self._thread, "hand", None)

    def ring(
        self, *, add: Iterable[Bell] = (), done: Iterable[Done | tuple[str, str]] = (), keys: Iterable[str] = ()
    ) -> int | None:
        """Take a turn and publish what it grants. Losing a ring loses no work, so nothing is raised.

        Returns:
            How many bells rang again, or None when Redis could not be reached: recovery will ring.
        """
        granted = self._turn(Ring(list(done), list(add)), keys=list(keys))
        return None if granted is None else granted.again

    def ask(self, bell: Bell, *, done: Sequence[Done]) -> bool | None:
        """Take a turn in which what is not written yet is granted to this thread, to go on with, or to nobody.

        Returns:
            Whether it was, or None when Redis could not be reached, and `done` has not been told either.
        """
        granted = self._turn(Ring(done), mine=bell)
        if granted is not None and not granted.mine:
            self._crowded.add(bell.key)
        return None if granted is None else granted.mine

    def crowded(self, key: str) -> bool:
        """Whether asking is in vain, as far as is known here: it was, and no ring since was granted what it added itself."""
        return key in self._crowded

    def _turn(self, ring: Ring, *, keys: Sequence[str] = (), mine: Bell | None = None) -> Granted | None:
        hand = self.hand
        take, yields = (hand.names, hand.yields) if hand else (frozenset[str](), ())
        granted = None
        try:
            granted = self.ready.turn(add=ring.add, done=ring.done, keys=keys, take=take, yields=yields, mine=mine)
            if hand and granted.taken:
                hand.grant(granted.taken)
                if any(granted.taken.id == bell.id for bell in ring.add):  # nobody else waited
                    self._crowded.discard(granted.taken.key)
            if granted.bells:
                self._publisher.publish(granted.bells)
        except Wiped:
            return None
        except BrokerUnavailable as error:
            log.warning("not rung, recovery will ring again: %s", error)
        return granted

    def call_off(self, syscalls: Sequence[str]) -> None:
        """Tell the workers that what they execute was cancelled. With Redis down they find out at their next heartbeat."""
        try:
            self.ready.call_off(syscalls)
        except BrokerUnavailable as error:
            log.warning("not told, workers will see at their next heartbeat: %s", error)

    def close(self) -> None:
        """Close the connections."""
        self.ready.close()
        self._publisher.close()


def agent_bell(agent: object, *, priority: int, payer: Payer | None = None, age_seconds: float = 0.0) -> Bell:
    """The bell that lets a worker drive an agent.

    Args:
        agent: its id.
        priority: its priority.
        payer: who pays under a policy that accounts for service; None: itself.
        age_seconds: how long it has been ready already.
    """
    return Bell("agent", str(agent), (("agent", "resume", str(agent)),), priority, payer, age_seconds)


def chain_bell(links: Iterable[Link], *, priority: int, payer: Payer | None = None, age_seconds: float = 0.0) -> Bell:
    """The bell of a plan's next links, cut before the next one that waits for a scarce or limited resource.

    Args:
        links: what is left of the plan.
        priority: its agent's.
        payer: who pays under a policy that accounts for service; None: itself.
        age_seconds: how long the first link has been ready already.
    """
    first, *more = links
    segment = [first]
    for link in more[: LONGEST_CHAIN - 1]:
        if link.pool in SCARCE or link.limit_key:
            break
        segment.append(link)
    rung = tuple((link.pool, link.op, str(link.id)) for link in segment)
    key = first.limit_key or first.pool
    return Bell(key, str(first.id), rung, priority, payer, age_seconds, tokens=first.tokens or 0)


def bells_of(waiting: Iterable[Waiting]) -> list[Bell]:
    """The bells of what waits in Postgres."""
    return [
        chain_bell(one.links, priority=one.priority, payer=one.payer, age_seconds=one.age_seconds)
        if one.links
        else agent_bell(one.id, priority=one.priority, payer=one.payer, age_seconds=one.age_seconds)
        for one in waiting
    ]
