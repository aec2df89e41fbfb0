"""Virtual paths: what an agent writes becomes one canonical path below its own folder, or a clear refusal. Pure."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Final

from aios.errors import InvalidArgument, PathDenied

if TYPE_CHECKING:
    from uuid import UUID

LONGEST_PATH_BYTES: Final = 1024
LONGEST_NAME_BYTES: Final = 255

# Control, format (bidirectional overrides, zero width), surrogates, line and paragraph separators: names that lie.
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_SLASHES: Final = frozenset("\\\u2044\u2215\u29f5\u29f8\u29f9\ufe68\uff0f\uff3c")  # look like / or are one elsewhere


def folder(agent_id: UUID) -> str:
    """The agent's own folder, with a slash at its end."""
    return f"/agents/{agent_id}/"


def resolve(path: str, agent_id: UUID) -> str:
    """The canonical path that `path` means to this agent: absolute, composed (NFC), no `.`, `..` or empty name in it.

    Args:
        path: relative to the agent's own folder, or absolute inside it.
        agent_id: whose folder.

    Raises:
        InvalidArgument: it is no path.
        PathDenied: it leads out of the agent's folder.
    """
    if not isinstance(path, str):
        raise InvalidArgument("path", path, "give a text")
    own = folder(agent_id)
    composed = _composed(path)
    if composed.startswith("/") and not composed.startswith(own):
        raise PathDenied(path, f"an agent reaches its own folder only, {own}")
    names = composed.removeprefix(own).split("/")
    for name in names:
        _check(name, path)
    canonical = own + "/".join(names)
    if len(canonical.encode()) > LONGEST_PATH_BYTES:
        raise InvalidArgument("path", path[:80], f"give one of at most {LONGEST_PATH_BYTES} bytes")
    return canonical


def _composed(path: str) -> str:
    """The path in composed form, with every character that it must not hold refused first."""
    # Composition is linear only for short texts; and no path of four times the bytes can become a valid one.
    if len(path) > 4 * LONGEST_PATH_BYTES:
        raise InvalidArgument("path", path[:80], f"give one of at most {LONGEST_PATH_BYTES} bytes")
    for character in path:
        if unicodedata.category(character) in _INVISIBLE:
            raise InvalidArgument("path", path, f"leave out the invisible character U+{ord(character):04X}")
        if character in _SLASHES:
            raise InvalidArgument("path", path, f"only / separates names; leave out {character!r}")
    return unicodedata.normalize("NFC", path)


def _check(name: str, path: str) -> None:
    if not name:
        raise InvalidArgument("path", path, "name a file: no empty name, no slash at the end")
    plain = unicodedata.normalize("NFKC", name)
    if plain.strip() in {".", ".."}:
        raise PathDenied(path, f"{name!r} is not followed; write the path without it")
    if "/" in plain or "\\" in plain:
        raise InvalidArgument("path", path, f"only / separates names; {name!r} holds a character that looks like one")
    if name != name.strip():
        raise InvalidArgument("path", path, f"{name!r} begins or ends with a space")
    if len(name.encode()) > LONGEST_NAME_BYTES:
        raise InvalidArgument("path", path[:80], f"a name in it has more than {LONGEST_NAME_BYTES} bytes")
