"""One key's ready set in memory: the order that any ready set must show under a policy.

Simulations and tests run the policies through it; the ready sets in Redis are to be held against it.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from aios.kernel.policy import Account

if TYPE_CHECKING:
    from aios.kernel.policy import Policy, Waiting

Id = TypeVar("Id")


class Grant(NamedTuple, Generic[Id]):
    """Whose turn it is."""

    id: Id
    call: Waiting


class ReadySet(Generic[Id]):
    """What waits for one limiting key. Ids are compared where scores are equal."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.clock = 0.0
        self._line: list[tuple[float, Id]] = []
        self._calls: dict[Id, tuple[float, Waiting]] = {}
        self._accounts: dict[str, Account] = {}

    def __len__(self) -> int:
        return len(self._calls)

    def __contains__(self, id: object) -> bool:
        return id in self._calls

    def enter(self, id: Id, call: Waiting, *, now_seconds: float) -> float:
        """Let a syscall wait; its score."""
        payer = self.policy.payer(call)
        score, self._accounts[payer] = self.policy.enter(
            call, self.account(payer), clock=self.clock, now_seconds=now_seconds
        )
        self._calls[id] = (score, call)
        heapq.heappush(self._line, (score, id))
        return score

    def grant(self) -> Grant[Id] | None:
        """Take the one whose turn it is out; None: nothing waits."""
        while self._line:
            score, best = heapq.heappop(self._line)
            if best in self._calls and self._calls[best][0] == score:  # else it was cancelled
                self.clock = max(self.clock, score)
                return Grant(best, self._calls.pop(best)[1])
        return None

    def settle(self, call: Waiting, *, served_seconds: float, now_seconds: float) -> None:
        """Charge what a granted syscall, or its slice, has really had."""
        payer = self.policy.payer(call)
        self._accounts[payer] = self.policy.settle(
            call, self.account(payer), served_seconds=served_seconds, now_seconds=now_seconds
        )

    def cancel(self, id: Id, *, now_seconds: float) -> None:
        """Take out one that waits, and give back what it was charged."""
        self.settle(self._calls.pop(id)[1], served_seconds=0.0, now_seconds=now_seconds)

    def account(self, payer: str) -> Account:
        """What is remembered of a payer."""
        return self._accounts.get(payer, Account())
