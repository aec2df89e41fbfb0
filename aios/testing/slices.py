"""Fakes of the ports `Checkpoints` and `Rivals`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aios.kernel.slices import Partial

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from aios.kernel.ports import Boundary, Claimed, Token
    from aios.kernel.values import Json, JsonObject


class FakeCheckpoints:
    """`Checkpoints` in memory.

    Attributes:
        slices: by syscall, the tokens and the state of each slice, and the attempt that kept it.
        owners: by syscall, the claim that may write; a syscall without one is its writer's.
    """

    def __init__(self) -> None:
        self.slices: dict[UUID, dict[int, tuple[tuple[Token, ...], JsonObject | None, int]]] = {}
        self.owners: dict[UUID, UUID] = {}

    def load(self, call: Claimed) -> Partial | None:
        """A generation as far as its last boundary; None: it has none yet."""
        kept = self.slices.get(call.id)
        if not kept:
            return None
        last = max(kept)
        tokens = tuple(token for number in sorted(kept) for token in kept[number][0])
        return Partial(last, tokens, kept[last][1], claims=len({attempt for _, _, attempt in kept.values()}))

    def save(self, call: Claimed, boundary: Boundary) -> bool:
        """Keep a boundary, and forget those behind it; False when the claim is no longer its own."""
        if self.owners.get(call.id, call.token) != call.token:
            return False
        partial = boundary.partial
        kept = self.slices.setdefault(call.id, {})
        for later in [number for number in kept if number > partial.slice]:
            del kept[later]
        kept[partial.slice] = (partial.tokens[len(partial.tokens) - boundary.fresh :], partial.state, call.attempt)
        return True

    def clear(self, tx: Json, call: Claimed) -> None:
        """Forget a generation."""
        del tx
        self.slices.pop(call.id, None)


class FakeRivals:
    """`Rivals` that a test decides about.

    Attributes:
        asked: (syscall, seconds left) of every question, in order.
    """

    def __init__(self, better: Callable[[str], bool] = lambda _: False) -> None:
        self.asked: list[tuple[str, float]] = []
        self._better = better

    def better_waits(self, id_: str, *, served_seconds: float, left_seconds: float) -> bool:
        """Whether somebody would stand before it."""
        del served_seconds
        self.asked.append((id_, left_seconds))
        return self._better(id_)
