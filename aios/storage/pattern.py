"""Glob patterns over paths: `*` and `?` stay inside a name, `**` spans folders. Linear or nearly so, whatever is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ANY_FOLDERS: Final = "**"


def matches(pattern: str, path: str) -> bool:
    """Whether a path matches; `a/**` matches all below `a`, `**/x` an `x` at any depth."""
    names = pattern.split("/")
    if names[-1] == ANY_FOLDERS:
        names.append("*")  # a file must be below: `a/**` does not match the file `a`
    return _wild(names, path.split("/"), star=ANY_FOLDERS, equal=_name_matches)


def literal_prefix(pattern: str) -> str:
    """The part before the first wildcard, which every matching path begins with."""
    return pattern[: next((i for i, character in enumerate(pattern) if character in "*?"), len(pattern))]


def _name_matches(pattern: str, name: str) -> bool:
    return _wild(pattern, name, star="*", equal=lambda wanted, given: wanted in ("?", given))


def _wild(pattern: Sequence[str], items: Sequence[str], *, star: str, equal: Callable[[str, str], bool]) -> bool:
    """Match with wildcards, going back to the last one only: no regular expression, so no explosion.

    Source: the two-pointer algorithm of R. Cox, "Glob Matching Can Be Simple And Fast Too", 2017.
    """
    at, item, back_at, back_item = 0, 0, -1, -1
    while item < len(items):
        if at < len(pattern) and pattern[at] == star:
            back_at, back_item = at, item
            at += 1
        elif at < len(pattern) and equal(pattern[at], items[item]):
            at, item = at + 1, item + 1
        elif back_at >= 0:
            back_item += 1
            at, item = back_at + 1, back_item
        else:
            return False
    return all(rest == star for rest in pattern[at:])
