"""Counts of tokens that a core was asked for, by digest of what was counted: a conversation is counted before it is sent."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, NamedTuple

_MOST: Final = 256
_MOST_CHARACTERS: Final = 8_000_000


class Templated(NamedTuple):
    """A conversation as text, and how many tokens that has."""

    text: str
    tokens: int


class Counted:
    """The latest counts; the oldest go first. It belongs to one event loop."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, Templated] = OrderedDict()
        self._characters = 0

    def get(self, key: bytes) -> Templated | None:
        """What was counted under this digest, or None."""
        found = self._known.get(key)
        if found is not None:
            self._known.move_to_end(key)
        return found

    def put(self, key: bytes, counted: Templated) -> None:
        """Remember a count."""
        before = self._known.pop(key, None)
        self._known[key] = counted
        self._characters += len(counted.text) - (len(before.text) if before else 0)
        while len(self._known) > _MOST or (self._characters > _MOST_CHARACTERS and len(self._known) > 1):
            _, oldest = self._known.popitem(last=False)
            self._characters -= len(oldest.text)
