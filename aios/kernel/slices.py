"""Slices: what a core may generate before somebody else may have its place, and what goes on from there. Pure.

Each slice is a request of its own to the engine, with a seed that is a function of the generation's seed and the place of
its first token. So the tokens are the same whether a generation is interrupted or not: a slice that is generated again, from
the state in which it began the first time, draws what it drew.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aios.kernel.ports import Token
    from aios.kernel.values import JsonObject

_SEEDS: Final = (1 << 32) - 1  # one less than 32 bits: the last one means "any" to llama.cpp


@dataclass(frozen=True)
class Partial:
    """A generation as far as its last boundary.

    Attributes:
        slice: how many slices it has.
        tokens: all of them.
        state: the KV state there, as its engine names it; None: there is none to go on from.
        claims: how many claims of its syscall have added to it.
    """

    slice: int
    tokens: tuple[Token, ...]
    state: JsonObject | None
    claims: int = 1


@dataclass(frozen=True)
class Slicing:
    """That a generation comes in slices.

    Attributes:
        tokens: of one slice.
        seed: of the whole generation.
        done: what it goes on from; None: its beginning.
        inexact: without a state the tokens so far are evaluated again, and what follows may differ.
    """

    tokens: int
    seed: int
    done: Partial | None = None
    inexact: bool = False


def seed_at(seed: int, position: int) -> int:
    """The seed of the slice whose first token has this place, from 0.

    Source: counter-based random numbers: a function of key and counter, with no state to save (Salmon et al., SC 2011).
    """
    found = blake2b(position.to_bytes(8, "big"), key=seed.to_bytes(16, "big", signed=True), digest_size=8).digest()
    return int.from_bytes(found, "big") % _SEEDS


def next_slice(position: int, *, tokens: int, limit: int) -> int:
    """How many tokens the slice that begins at `position` may have."""
    return max(0, min(tokens, limit - position))


def joined(done: Sequence[Token], more: Sequence[Token], ids: Sequence[int]) -> tuple[Token, ...]:
    """The tokens up to a boundary: those before, and the slice's own by the ids that the engine tells at its end."""
    return (*done, *(replace(token, id=id_) for token, id_ in zip(more, ids, strict=True)))
