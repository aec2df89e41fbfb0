"""A core's circuit breaker: what failures, successes and a Retry-After make of what a core may be sent. Pure.

Closed: everything may pass. Open: nothing, until `open_until`. Then half open: one call at a time, on trial, until one has
succeeded. A pause (HTTP 429 with Retry-After) is no failure: nothing passes until it is over, and then everything does.

Times are seconds of one clock, Redis' own, so that all processes agree.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

THRESHOLD: Final = 3
"""Failures in a row that open a breaker."""

_BASE_SECONDS: Final = 1.0
_CAP_SECONDS: Final = 10.0


@dataclass(frozen=True)
class Breaker:
    """What is remembered of a core.

    Attributes:
        failures: in a row.
        opens: how often it opened since a call last succeeded; 0: it is closed.
        opened_at: when it opened last.
        open_until: from then on a call may try.
        paused_until: the core asked to be left alone until then.
    """

    failures: int = 0
    opens: int = 0
    opened_at: float = 0.0
    open_until: float = 0.0
    paused_until: float = 0.0

    @property
    def trial(self) -> bool:
        """Whether it lets one call at a time pass, if any."""
        return self.opens > 0

    @property
    def blocked_until(self) -> float:
        """Nothing passes before."""
        return max(self.open_until, self.paused_until)

    def passes(self, now: float) -> bool:
        """Whether a call may pass."""
        return now >= self.blocked_until

    def state(self, now: float) -> str:
        """One word for people: `closed`, `open`, `half-open` or `paused`."""
        if now < self.open_until:
            return "open"
        if now < self.paused_until:
            return "paused"
        return "half-open" if self.trial else "closed"

    def failed(self, now: float, *, began: float, fatal: bool = False) -> Breaker:
        """After a call failed.

        A core that dies fails all its calls at once; those that began before it opened say nothing new.

        Args:
            now: the present.
            began: when the failed call was let in.
            fatal: nobody listens there, or it refuses everybody: one such failure is enough.
        """
        if self.trial and began < self.opened_at:
            return self
        failures = self.failures + 1
        if failures < THRESHOLD and not fatal and not self.trial:
            return replace(self, failures=failures)
        seconds = min(_CAP_SECONDS, _BASE_SECONDS * 2 ** min(self.opens, 8))
        return replace(self, failures=failures, opens=self.opens + 1, opened_at=now, open_until=now + seconds)

    def succeeded(self, *, began: float) -> Breaker:
        """After a call succeeded; one that began before it opened says nothing of the present."""
        if self.trial and began < self.opened_at:
            return self
        return Breaker(paused_until=self.paused_until)

    def paused(self, now: float, *, seconds: float) -> Breaker:
        """After the core asked to be left alone for some time."""
        return replace(self, paused_until=max(self.paused_until, now + seconds))
