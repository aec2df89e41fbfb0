"""Results that are too long for the journal: they go into a file of the agent's, and a reference to it is the result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aios.kernel.values import canonical, clean

if TYPE_CHECKING:
    from collections.abc import Callable

    from aios.kernel.values import Json, JsonObject

FOLDER: Final = "tool-results"
_BEGINNING: Final = 2_000


def fit(value: Json, *, most: int, spill: Callable[[str], str]) -> Json:
    """The value itself, or what stands for it.

    Args:
        value: a result of any length.
        most: bytes of its JSON that the journal takes.
        spill: stores a text; gives the path under which it is found.

    Returns:
        The value, or an object with the file's path (`spilled`), how many `bytes` it has, and its `beginning`.
    """
    encoded = canonical(value, what="the result of a tool")
    if len(encoded) <= most:
        return value
    text = value if isinstance(value, str) else encoded.decode()
    reference: JsonObject = {"spilled": spill(text), "bytes": len(text.encode()), "beginning": clean(text[:_BEGINNING])}
    return reference
