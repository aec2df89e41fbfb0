"""Virtual paths: what an agent writes becomes one canonical path in `/agents`, `/groups` or `/shared`, or a refusal. Pure."""

from __future__ import annotations

import unicodedata
from typing import Final
from uuid import UUID

from aios.errors import InvalidArgument, PathDenied

LONGEST_PATH_BYTES: Final = 1024
LONGEST_NAME_BYTES: Final = 255

# Control, format (bidirectional overrides, zero width), surrogates, line and paragraph separators: names that lie.
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_SLASHES: Final = frozenset("\\\u2044\u2215\u29f5\u29f8\u29f9\ufe68\uff0f\uff3c")  # look like / or are one elsewhere

AREAS: Final = ("agents", "groups", "shared")
SHARED: Final = "/shared/"


def folder(agent_id: UUID) -> str:
    """The agent's own folder, with a slash at its end."""
    return f"/agents/{agent_id}/"


def resolve(path: str, agent_id: UUID) -> str:
    """The canonical path that `path` means to this agent, inside its own folder.

    Args:
        path: relative to the agent's own folder, or absolute inside it.
        agent_id: whose folder.

    Raises:
        InvalidArgument: it is no path.
        PathDenied: it leads out of the agent's folder.
    """
    own = folder(agent_id)
    found = canonical(path, home=own)
    if not found.startswith(own):
        raise PathDenied(path, f"an agent reaches its own folder only, {own}")
    return found


def canonical(path: str, *, home: str) -> str:
    """The one spelling of a path in any area: absolute, composed (NFC), no `.`, `..` or empty name in it.

    Args:
        path: absolute, or relative to `home`.
        home: a folder, with a slash at its end.

    Raises:
        InvalidArgument: it is no path.
        PathDenied: it leads nowhere inside `/agents/<id>/`, `/groups/<name>/` or `/shared/`.
    """
    if not isinstance(path, str):
        raise InvalidArgument("path", path, "give a text")
    composed = _composed(path)
    absolute = composed if composed.startswith("/") else home + composed
    below = _below(absolute, path)
    for name in below.split("/"):
        _check(name, path)
    if len(absolute.encode()) > LONGEST_PATH_BYTES:
        raise InvalidArgument("path", path[:80], f"give one of at most {LONGEST_PATH_BYTES} bytes")
    return absolute


def root(path: str) -> str:
    """The root folder that a canonical path lies in, such as `/groups/staff/`: there are no folders above it."""
    depth = 2 if path.startswith(SHARED) else 3
    return "/".join(path.split("/")[:depth]) + "/"


def owner(path: str) -> UUID | None:
    """The agent whose folder a canonical path lies in; None for those of groups and of everybody."""
    _, area, name, *_ = path.split("/")
    return UUID(name) if area == "agents" else None


def ancestors(path: str) -> list[str]:
    """The folders between the root of a canonical path and itself, outermost first, without slashes at their ends."""
    start = root(path)
    names = path.removeprefix(start).split("/")[:-1]
    return [start + "/".join(names[: n + 1]) for n in range(len(names))]


def _below(absolute: str, path: str) -> str:
    """What follows the root of an absolute path."""
    _, area, *names = absolute.split("/")
    match area:
        case "shared" if names:
            return "/".join(names)
        case "groups" if len(names) > 1:
            _check(names[0], path)
            if "*" in names[0] or "?" in names[0]:
                raise PathDenied(path, "name one group, not a pattern of them")
            return "/".join(names[1:])
        case "agents" if len(names) > 1 and _is_id(names[0]):
            return "/".join(names[1:])
    raise PathDenied(path, "files are in /agents/<id>/, /groups/<name>/ and /shared/, spelt like that")


def _is_id(name: str) -> bool:
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False


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
