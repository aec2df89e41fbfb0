"""One wildcard matcher for paths and for access rules: a star stands for any run of items, of names or of characters."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def fits(pattern: Sequence[str], items: Sequence[str], *, star: str, same: Callable[[str, str], bool]) -> bool:
    """Whether items match a pattern. Only the last star is ever tried again: no regular expression, so no explosion.

    Source: the two-pointer algorithm of R. Cox, "Glob Matching Can Be Simple And Fast Too", 2017.

    Args:
        pattern: its parts.
        items: what is matched.
        star: the part that stands for any run of items, none included.
        same: whether another part of the pattern matches an item.
    """
    place = at = 0
    last, resume = -1, 0
    while at < len(items):
        if place < len(pattern) and pattern[place] == star:
            last, resume = place, at
            place += 1
        elif place < len(pattern) and same(pattern[place], items[at]):
            place, at = place + 1, at + 1
        elif last >= 0:
            resume += 1
            place, at = last + 1, resume
        else:
            return False
    return all(part == star for part in pattern[place:])
