"""Stop strings, matched over a whole text that comes in tokens. Pure.

An engine matches within one request, and a slice is one: a stop string that a boundary cuts would go unseen. So the kernel
matches them itself. What may be the beginning of a stop string is held back until it is decided; the stop string itself is
never shown.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aios.kernel.ports import Token


class Match(NamedTuple):
    """Where a stop string stands in a text."""

    start: int
    end: int


def find(text: str, stops: Sequence[str]) -> Match | None:
    """The stop string that is complete first; of several that end there, the longest."""
    ends = ((at + len(stop), at) for stop in stops if (at := text.find(stop)) >= 0)
    found = min(ends, default=None)
    return None if found is None else Match(found[1], found[0])


def held(text: str, stops: Sequence[str]) -> int:
    """How many characters at the end of a text may be the beginning of a stop string."""
    longest = max((len(stop) for stop in stops), default=1)
    for length in range(min(longest - 1, len(text)), 0, -1):
        if any(stop.startswith(text[-length:]) for stop in stops):
            return length
    return 0


class Stops:
    """Lets tokens through as far as no stop string can be in them.

    Attributes:
        found: a stop string was met; nothing comes through any more.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = [stop for stop in stops if stop]
        self._pending: list[Token] = []
        self.found = False

    def take(self, token: Token) -> list[Token]:
        """The tokens that may be shown, now that this one is known; one that a stop string begins in is cut there."""
        if self.found:
            return []
        if not self._stops:
            return [token]
        self._pending.append(token)
        text = "".join(_text(token) for token in self._pending)
        match = find(text, self._stops)
        if match is None:
            return self._release(len(text) - held(text, self._stops))
        self.found = True
        shown = self._release(match.start)
        before = sum(len(_text(token)) for token in shown)
        if before < match.start:
            shown.append(replace(self._pending[0], text=text[before : match.start]))
        self._pending = []
        return shown

    def rest(self) -> list[Token]:
        """What was held back, now that the text has ended."""
        rest, self._pending = self._pending, []
        return rest

    def _release(self, characters: int) -> list[Token]:
        """Take the tokens off that lie within the first `characters`."""
        shown: list[Token] = []
        while self._pending and len(_text(self._pending[0])) <= characters:
            token = self._pending.pop(0)
            characters -= len(_text(token))
            shown.append(token)
        return shown


def _text(token: Token) -> str:
    return "" if token.special else token.text
