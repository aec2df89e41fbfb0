"""`text`: the small operations on a text that models are bad at, such as counting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeAlias

from pydantic import Field

from aios.errors import InvalidArgument
from aios.kernel.words import Effect
from aios.tools.tool import tool

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Operation: TypeAlias = Literal[
    "upper", "lower", "title", "strip", "reverse", "replace", "count", "count_characters", "count_words", "count_lines"
]
_LONGEST: Final = 200_000
Given: TypeAlias = Annotated[str, Field(max_length=_LONGEST)]


@tool(effect=Effect.NONE, timeout_seconds=5)
def text(operation: Operation, text: Given, find: Given = "", replacement: Given = "") -> str | int:
    """Change a text or count in it.

    Args:
        operation: what to do; "replace" and "count" need `find`.
        text: the text.
        find: what "replace" replaces and "count" counts, exactly as written.
        replacement: what "replace" puts in its place.

    Examples:
        Write 'good morning' in upper case. -> {"operation": "upper", "text": "good morning"}
    """
    if operation in _PLAIN:
        return _PLAIN[operation](text)
    if not find:
        raise InvalidArgument("find", find, f"operation {operation!r} needs the text to look for")
    if operation == "count":
        return text.count(find)
    # Reckoned before it is built: a text of commas, each replaced by a novel, fills the memory.
    if len(text) + text.count(find) * (len(replacement) - len(find)) > _LONGEST:
        raise InvalidArgument("replacement", replacement[:20], f"the result would have more than {_LONGEST} characters")
    return text.replace(find, replacement)


_PLAIN: Final[Mapping[str, Callable[[str], str | int]]] = {
    "upper": str.upper,
    "lower": str.lower,
    "title": str.title,
    "strip": str.strip,
    "reverse": lambda text: text[::-1],
    "count_characters": len,
    "count_words": lambda text: len(text.split()),
    "count_lines": lambda text: len(text.splitlines()),
}
