"""What goes into the ready sets and what comes out: bells, who pays for them, and what became of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from aios.kernel.values import compact
from aios.kernel.words import DEFAULT_PRIORITY

if TYPE_CHECKING:
    from aios.kernel.policy import Payer


class Bell(NamedTuple):
    """What is published when its turn comes.

    Attributes:
        key: the limiting key it waits under: a pool (`llm`), or something limited within it (`tool:browser`).
        id: of the agent or of the chain's first syscall.
        links: (pool, op, id) of each link of the chain, first to run first.
        priority: 0 (most urgent) to 9.
        payer: who pays; None: itself.
        age_seconds: how long it has been ready already.
        estimate_seconds: the service it will need; 0: as its like has needed lately.
        tokens: prompt and most new tokens, where a key has a rate of tokens; 0: as its like has needed lately.
    """

    key: str
    id: str
    links: tuple[tuple[str, str, str], ...]
    priority: int = DEFAULT_PRIORITY
    payer: Payer | None = None
    age_seconds: float = 0.0
    estimate_seconds: float = 0.0
    tokens: int = 0

    @property
    def pool(self) -> str:
        """The pool that its first link runs on."""
        return self.links[0][0]

    @property
    def kind(self) -> str:
        """What its service is estimated from: others of the same operation and program."""
        pool, op, _ = self.links[0]
        return f"{pool}.{op}:{self.payer.program}" if self.payer else ""

    def dump(self) -> str:
        """What is needed to publish it, as JSON."""
        return compact([self.key, self.id, self.links, self.priority])

    @classmethod
    def load(cls, text: str) -> Bell:
        """What `dump` kept."""
        key, member, links, priority = json.loads(text)
        return cls(key, member, tuple((p, o, i) for p, o, i in links), priority)


class Done(NamedTuple):
    """What no longer needs its grant, or its place in line.

    Attributes:
        served_seconds: the service it had; nothing for what was taken back or cancelled.
        tokens: what it used of them.
        pause_seconds: its key is to grant nothing for so long, as a 429 asked.
    """

    key: str
    id: str
    served_seconds: float = 0.0
    tokens: int = 0
    pause_seconds: float = 0.0


class Rate(NamedTuple):
    """What a key may use in each window of time, however it falls."""

    requests: int | None = None
    tokens: int | None = None
    seconds: float = 60.0


class Granted(NamedTuple):
    """What a turn gave.

    Attributes:
        bells: to be published.
        again: how many of them ring again because a lease ended.
        at_seconds: Redis' time of the turn.
        taken: what the asker goes on with itself.
        mine: whether it was granted what it asked for itself.
    """

    bells: list[Bell]
    again: int
    at_seconds: float = 0.0
    taken: Bell | None = None
    mine: bool = False


class Wiped(Exception):
    """Redis lost its data (or is new): recovery must rebuild the ready sets first."""
