"""Contexts: conversations as chains of deltas, named by what they say.

The digest of a context is a hash of its parent's digest and its last message, so equal prefixes are stored once, forking
is free, and whether a replay asks with the same conversation is one comparison of 32 bytes.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

from aios.kernel.values import JsonObject, canonical, digest

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = b""
"""The parent of a first message."""

_PLAIN = ("role", "content")


class Chains:
    """Digests of conversations: extending the one before hashes only what is new.

    One belongs to one replay. A program asks with the same growing list again and again; without the memory a replay of
    n turns would hash O(n^2) messages. What is remembered are copies: a program may alter a message that it has asked with.
    """

    def __init__(self) -> None:
        self._last: list[JsonObject] = []
        self._digests: list[bytes] = []

    def digest(self, messages: Sequence[JsonObject]) -> bytes:
        """The digest of `messages`, of which there is at least one.

        Raises:
            NotJson: a message is no JSON.
        """
        said, found = self._last, self._digests
        same = self._same(messages)
        del said[same:], found[same:]
        for message in messages[same:]:
            new, copied = link(found[-1] if found else ROOT, message), _copied(message)
            found.append(new)
            said.append(copied)
        return found[-1]

    def digests(self, messages: Sequence[JsonObject]) -> list[bytes]:
        """The digest of every prefix of `messages`, shortest first.

        Raises:
            NotJson: a message is no JSON.
        """
        self.digest(messages)
        return self._digests.copy()

    def _same(self, messages: Sequence[JsonObject]) -> int:
        """How many messages are those of the last conversation."""
        last = self._last
        if messages[: len(last)] == last:
            return len(last)
        pairs = enumerate(zip(messages, last, strict=False))
        return next((place for place, (one, other) in pairs if one != other), min(len(messages), len(last)))


def _copied(message: JsonObject) -> JsonObject:
    for value in message.values():
        if not isinstance(value, str):
            return deepcopy(message)
    return message.copy()


def link(parent: bytes, message: JsonObject) -> bytes:
    """The digest of the context that `message` makes of the context `parent`.

    Raises:
        NotJson: the message is none.
    """
    plain = _plain(message)
    return digest(parent, *plain) if plain else digest(parent, canonical(message, what="message"))


def _plain(message: JsonObject) -> tuple[bytes, bytes] | None:
    """The role and the text of a message that has nothing else, as nearly all; its JSON would take five times as long."""
    role, content = message.get("role"), message.get("content")
    if len(message) != len(_PLAIN) or type(role) is not str or type(content) is not str:
        return None
    if "\x00" in content or "\x00" in role:
        return None
    try:
        return role.encode(), content.encode()
    except UnicodeEncodeError:
        return None
