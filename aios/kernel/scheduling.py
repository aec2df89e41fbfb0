"""Scheduling policies: which of the waiting syscalls goes next, as one number each. Pure: no clock, no I/O.

A policy gives a waiting syscall a **score** when it enters a ready set; the lowest score is granted first, ties go by id
(UUIDv7: the older one). A score never changes while its syscall waits, so that one sorted set holds the order and a grant
is one ZPOPMIN. What a policy must remember is one small `Account` per root agent or tenant, and one number per limiting
key: its **clock**, the highest score granted so far. The life of a syscall on a key:

1. `enter` when it becomes ready: its score, and its payer's account with the estimate reserved;
2. a grant: the clock becomes `max(clock, score)`;
3. `settle` when it gives the slot back, was cancelled, or reached the end of a slice (then it enters again, with what is
   left as its estimate and its old `enqueued_seconds`).

The estimate is charged when a syscall *enters*, not when it is granted: with scores that stay fixed, 200 syscalls that an
agent issues at once would otherwise all carry the score of the first.

Every policy's docstring states its starvation bound. Where `window_seconds` is not None the bound is: nothing that entered
more than that much later is granted before a waiting syscall; it waits at most this window and then for what is before it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Final

from aios.errors import InvalidArgument, did_you_mean
from aios.kernel.policy import Entry
from aios.kernel.words import DEFAULT_PRIORITY, LEAST_URGENT, MOST_URGENT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aios.kernel.policy import Account, Policy, Waiting


class _Unaccounted:
    """A policy whose scores depend on nothing but the syscall."""

    def payer(self, call: Waiting) -> str:
        """Nobody in particular."""
        del call
        return ""

    def settle(self, call: Waiting, account: Account, *, served_seconds: float, now_seconds: float) -> Account:
        """Nothing was charged."""
        del call, served_seconds, now_seconds
        return account


@dataclass(frozen=True, kw_only=True)
class Fifo(_Unaccounted):
    """First come, first served; a syscall keeps its place at the end of a slice, so that none is ever pre-empted.

    Bound: nothing that entered later passes.
    """

    window_seconds: float | None = 0.0

    def enter(self, call: Waiting, account: Account, *, clock: float, now_seconds: float) -> Entry:
        """The time it became ready."""
        del clock, now_seconds
        return Entry(call.enqueued_seconds, account)


@dataclass(frozen=True, kw_only=True)
class Priority(_Unaccounted):
    """The most urgent first; every `step_seconds` of waiting makes up for one step of priority.

    Bound: nothing that entered more than (priority - priority of the other) x `step_seconds` later passes; so a syscall of
    priority 9 is passed for 9 steps at most, and by more urgent ones only.
    """

    step_seconds: float = 30.0

    @property
    def window_seconds(self) -> float | None:
        """Nine steps."""
        return (LEAST_URGENT - MOST_URGENT) * self.step_seconds

    def enter(self, call: Waiting, account: Account, *, clock: float, now_seconds: float) -> Entry:
        """The time it became ready, later by its priority."""
        del clock, now_seconds
        return Entry(call.enqueued_seconds + call.priority * self.step_seconds, account)


@dataclass(frozen=True, kw_only=True)
class RoundRobin:
    """The root agents take turns; a syscall, or a slice of one, is a turn.

    Bound: the n-th waiting syscall of its root is granted in the n-th round from now at the latest, and in a round each
    root has one turn. What enters later joins the end of the coming round, so that newcomers do not pass a root's first.
    """

    window_seconds: float | None = None

    def payer(self, call: Waiting) -> str:
        """Its root: children do not get turns of their own."""
        return call.root

    def enter(self, call: Waiting, account: Account, *, clock: float, now_seconds: float) -> Entry:
        """The number of its round."""
        del call, now_seconds
        turn = max(clock + 1, account.tag)
        return Entry(turn, replace(account, tag=turn + 1))

    def settle(self, call: Waiting, account: Account, *, served_seconds: float, now_seconds: float) -> Account:
        """A turn is a turn, however long it was."""
        del call, served_seconds, now_seconds
        return account


@dataclass(frozen=True, kw_only=True)
class LeastAttained:
    """Least attained service of the root agent first: short agents pass long ones, whose length nobody need know.

    Score: min(attained service, `cap_seconds`) + `nice_seconds` x (priority - the usual one) + `ageing` x the time it
    became ready. Attained service is what the root's syscalls on this key have had, plus the estimates of those that wait
    or run: of 200 issued at once the n-th stands behind n - 1 estimates, children pay from their root's account and
    one-shots from their API key's. Past service counts half after each `half_life_seconds`, so that an API key is not
    judged by last week. Between roots that have both had more than the cap it is first come, first served.

    Bound: of equal priority nothing that entered more than `cap_seconds` / `ageing` later passes, since the other's score is
    at least `ageing` x its time; each step of priority adds `nice_seconds` / `ageing`. With `ageing` 0 there is no bound.

    Source: Luo et al., "Autellix", arXiv 2502.13965 (PLAS); ageing by enqueue time and the charge of estimates are ours.
    """

    ageing: float = 0.1
    cap_seconds: float = 30.0
    half_life_seconds: float = 600.0
    nice_seconds: float = 10.0

    @property
    def window_seconds(self) -> float | None:
        """The cap divided by the ageing: between syscalls of one priority."""
        return self.cap_seconds / self.ageing if self.ageing else math.inf

    def payer(self, call: Waiting) -> str:
        """Its root."""
        return call.root

    def enter(self, call: Waiting, account: Account, *, clock: float, now_seconds: float) -> Entry:
        """Attained service before this syscall, and its age."""
        del clock
        attained = self._settled(account, now_seconds) + account.reserved_seconds
        urgency = self.nice_seconds * (call.priority - DEFAULT_PRIORITY)
        score = min(attained, self.cap_seconds) + urgency + self.ageing * call.enqueued_seconds
        return Entry(score, replace(account, reserved_seconds=account.reserved_seconds + call.cost_seconds))

    def settle(self, call: Waiting, account: Account, *, served_seconds: float, now_seconds: float) -> Account:
        """Reservations do not fade, only service does: else a high estimate that waits long would win back more."""
        return replace(
            account,
            settled_seconds=self._settled(account, now_seconds) + served_seconds,
            reserved_seconds=max(0.0, account.reserved_seconds - call.cost_seconds),
            as_of_seconds=now_seconds,
        )

    def _settled(self, account: Account, now_seconds: float) -> float:
        idle = max(0.0, now_seconds - account.as_of_seconds)
        return float(account.settled_seconds * 0.5 ** (idle / self.half_life_seconds))


@dataclass(frozen=True, kw_only=True)
class Fair:
    """Tenants share a key by weight, whatever each has queued: start-time fair queueing.

    Score: the start tag max(clock, end of the tenant's previous syscall); a syscall is estimate / weight long, corrected
    when it settles. A tenant that was idle starts at the clock: it neither saves up nor pays for having been alone.

    Bound: a syscall with start tag S that enters at clock V is passed by each other tenant j with at most
    weight_j x (S - V) + one syscall of j, in estimated seconds. A tenant's first has S = V: it waits for what runs, and
    for one syscall of each other tenant at most.

    Source: Goyal, Vin, Cheng, "Start-time Fair Queueing", SIGCOMM 1996.
    """

    weights: Mapping[str, float] = field(default_factory=dict)
    window_seconds: float | None = None

    def payer(self, call: Waiting) -> str:
        """Its tenant."""
        return call.tenant

    def enter(self, call: Waiting, account: Account, *, clock: float, now_seconds: float) -> Entry:
        """Its start tag."""
        del now_seconds
        start = max(clock, account.tag)
        return Entry(start, replace(account, tag=start + call.cost_seconds / self._weight(call)))

    def settle(self, call: Waiting, account: Account, *, served_seconds: float, now_seconds: float) -> Account:
        """What it had too much or too little moves the tenant's next start."""
        del now_seconds
        return replace(account, tag=account.tag + (served_seconds - call.cost_seconds) / self._weight(call))

    def _weight(self, call: Waiting) -> float:
        return self.weights.get(call.tenant, 1.0)


POLICIES: Final[Mapping[str, Policy]] = {
    "fifo": Fifo(),
    "priority": Priority(),
    "rr": RoundRobin(),
    "las": LeastAttained(),
    "fair": Fair(),
}
DEFAULT_POLICY: Final = "las"


_LEAST: Final = {"half_life_seconds": 1e-3}  # 0 would divide by it


def policy(name: str, **parameters: float) -> Policy:
    """The policy of that name, with its default parameters or others.

    Raises:
        InvalidArgument: there is none, or it has no such parameter, or the value is none.
    """
    if name not in POLICIES:
        near = did_you_mean(name, POLICIES)
        raise InvalidArgument("policy", name, f"it is one of {', '.join(POLICIES)}" + (f"; {near[0]}?" if near else ""))
    known = parameters_of(name)
    for parameter, value in parameters.items():
        if parameter not in known:
            raise InvalidArgument("parameter", parameter, f"{name} has {', '.join(known) or 'none'}")
        if not math.isfinite(value) or value < _LEAST.get(parameter, 0.0):
            raise InvalidArgument(parameter, value, "give a number that is not negative")
    return replace(POLICIES[name], **parameters)  # type: ignore[type-var]  # every policy is a dataclass


def parameters_of(name: str) -> tuple[str, ...]:
    """The numbers that can be set of a policy."""
    return tuple(f.name for f in fields(POLICIES[name]) if f.type == "float")  # type: ignore[arg-type]  # likewise
