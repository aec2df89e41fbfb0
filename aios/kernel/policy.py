"""What a scheduling policy sees of a waiting syscall, what it remembers, and what it must answer. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from aios.kernel.words import DEFAULT_PRIORITY

if TYPE_CHECKING:
    from uuid import UUID

ONE_SHOTS: Final = frozenset({"oneshot"})
"""Programs that do one request of a client. Each is an agent of its own, and would be new to a policy every time."""

_LEAST_COST_SECONDS: Final = 0.001  # what costs nothing could be queued without end at one score


class Payer(NamedTuple):
    """Whose work it is: who pays for service under a policy, and what to learn estimates from.

    Attributes:
        root: the root agent of its spawn tree; of a one-shot its tenant and user, as an API key names them.
        tenant: shares by weight under `fair`, and may have limits of its own.
        program: what it is like, for estimates.
    """

    root: str
    tenant: str = "default"
    program: str = ""

    @classmethod
    def of(cls, agent: UUID, root: UUID, *, tenant: str, owner: str, program: str) -> Payer:
        """Who pays for an agent.

        Args:
            agent: its id.
            root: the root of its spawn tree.
            tenant: for whom it is.
            owner: the user it works for; an API key names both.
            program: its program's name.
        """
        alone = program in ONE_SHOTS and agent == root  # a one-shot that an agent spawns is part of that agent's work
        return cls(f"{tenant}/{owner}" if alone else str(root), tenant, program)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A syscall as a policy sees it.

    Attributes:
        enqueued_seconds: when it first became ready; kept when it enters again after a slice or a lost grant.
        root: the root agent of its spawn tree, or who pays for a one-shot.
        tenant: who shares by weight under `fair`.
        priority: 0 (most urgent) to 9.
        estimate_seconds: the service it is expected to need from now on.
    """

    enqueued_seconds: float
    root: str
    tenant: str = "default"
    priority: int = DEFAULT_PRIORITY
    estimate_seconds: float = 1.0

    @property
    def cost_seconds(self) -> float:
        """The estimate as it is charged: never nothing."""
        return max(self.estimate_seconds, _LEAST_COST_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What a policy remembers of one payer on one key; a new payer has an empty one.

    Attributes:
        settled_seconds: service that it has had, as it counted at `as_of_seconds`.
        reserved_seconds: estimates of its syscalls that wait or run.
        as_of_seconds: when `settled_seconds` was last brought up to date.
        tag: the score at which its next syscall may start (`rr`, `fair`).
    """

    settled_seconds: float = 0.0
    reserved_seconds: float = 0.0
    as_of_seconds: float = 0.0
    tag: float = 0.0


class Entry(NamedTuple):
    """A syscall's score, and its payer's account from now on."""

    score: float
    account: Account


class Policy(Protocol):
    """What the ready sets need of a policy."""

    @property
    def window_seconds(self) -> float | None:
        """How much later than a waiting syscall another may have entered and still pass it; None: see its docstring."""

    def payer(self, call: Waiting) -> str:
        """Whose account the syscall is charged to."""

    def enter(self, call: Waiting, account: Account, *, clock: float, now_seconds: float) -> Entry:
        """The syscall's score, with its estimate charged."""

    def settle(self, call: Waiting, account: Account, *, served_seconds: float, now_seconds: float) -> Account:
        """Put the service that it had in the estimate's place; 0 for what was cancelled while it waited."""
