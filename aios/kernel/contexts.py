"""Contexts: conversations as chains of deltas, named by what they say.

The digest of a context is a hash of its parent's digest and its last message, so equal prefixes are stored once, forking
is free, and whether a replay asks with the same conversation is one comparison of 32 bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aios.kernel.values import JsonObject, canonical, digest

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = b""
"""The parent of a first message."""


class Chains:
    """Digests of conversations, remembered link by link: extending a known conversation hashes only what is new.

    One belongs to one replay. A program asks with the same growing list again and again; without the memory a replay of
    n turns would hash O(n^2) messages.
    """

    def __init__(self) -> None:
        self._links: dict[tuple[bytes, str, str], bytes] = {}

    def digests(self, messages: Sequence[JsonObject]) -> list[bytes]:
        """The digest of every prefix of `messages`, shortest first.

        Raises:
            NotJson: a message is no JSON.
        """
        found: list[bytes] = []
        parent = ROOT
        for message in messages:
            parent = self._link(parent, message)
            found.append(parent)
        return found

    def _link(self, parent: bytes, message: JsonObject) -> bytes:
        role, content = message.get("role"), message.get("content")
        if len(message) != 2 or not isinstance(role, str) or not isinstance(content, str):  # noqa: PLR2004
            return link(parent, message)
        key = (parent, role, content)  # a str remembers its hash: looking up a long content again costs nothing
        known = self._links.get(key)
        if known is None:
            known = self._links[key] = link(parent, message)
        return known


def link(parent: bytes, message: JsonObject) -> bytes:
    """The digest of the context that `message` makes of the context `parent`."""
    return digest(parent, canonical(message, what="message"))
