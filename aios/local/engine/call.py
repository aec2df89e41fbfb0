"""What the router asks of a backend, and what it gets back: calls, tokens, sampling and grammars."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from aios.local.engine.states import Saved, StateRef


class Token(NamedTuple):
    """One generated token; `text` is what it adds to the answer, empty while a character is incomplete."""

    id: int
    text: str
    logprob: float | None
    special: bool = False
    top: tuple[Token, ...] = ()


class Piece(NamedTuple):
    """One token of a prompt; `start` and `stop` are offsets in characters of the text."""

    id: int
    text: str
    start: int
    stop: int


class Prompt(NamedTuple):
    """A prompt as a backend wants it: `ids` are given where ids and text may differ."""

    text: str
    tokens: int
    ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How the next token is chosen; `None` leaves a rule out, `greedy` takes the likeliest token."""

    greedy: bool = True
    seed: int = 0
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    typical_p: float | None = None
    repetition_penalty: float | None = None
    frequency_penalty: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grammar:
    """What the answer must match: a JSON schema (as JSON text) or a regular expression."""

    kind: Literal["json", "regex"]
    source: str


@dataclass(slots=True, eq=False, kw_only=True)
class Part:
    """That a call is one slice of a generation: what went before it, and, set by the backend, what came of it.

    Attributes:
        generated: the ids of the tokens before it.
        state: where those are evaluated already; None: they are evaluated again, which is not exact.
        keep: save the state at its end.
        saved: the state at its end; None: there is none to go on from.
        ids: the tokens of the slice, where the stream could not tell all their ids.
        restored: the state was read from its file: its slot had been given to somebody else.
        restore_seconds: how long that took.
    """

    generated: tuple[int, ...] = ()
    state: StateRef | None = None
    keep: bool = False
    saved: Saved | None = None
    ids: tuple[int, ...] | None = None
    restored: bool = False
    restore_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One generation, validated: a backend may rely on every bound."""

    prompt: Prompt
    max_new_tokens: int
    stop: tuple[str, ...] = ()
    sampling: Sampling = Sampling()
    grammar: Grammar | None = None
    top_n: int = 0
    part: Part | None = None
