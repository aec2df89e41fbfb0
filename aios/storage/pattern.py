"""Glob patterns over paths: `*` and `?` stay inside a name, `**` spans folders. Linear or nearly so, whatever is asked."""

from __future__ import annotations

from typing import Final

from aios.kernel.wildcards import fits

ANY_FOLDERS: Final = "**"


def matches(pattern: str, path: str) -> bool:
    """Whether a path matches; `a/**` matches all below `a`, `**/x` an `x` at any depth."""
    names = pattern.split("/")
    if names[-1] == ANY_FOLDERS:
        names.append("*")  # a file must be below: `a/**` does not match the file `a`
    return fits(names, path.split("/"), star=ANY_FOLDERS, same=_name_matches)


def literal_prefix(pattern: str) -> str:
    """The part before the first wildcard, which every matching path begins with."""
    return pattern[: next((i for i, character in enumerate(pattern) if character in "*?"), len(pattern))]


def _name_matches(pattern: str, name: str) -> bool:
    return fits(pattern, name, star="*", same=lambda wanted, given: wanted in ("?", given))
