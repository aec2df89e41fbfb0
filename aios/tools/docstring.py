"""A function's docstring, read for what a model must know: what the function does, what each argument means, examples."""

from __future__ import annotations

import inspect
import json
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from aios.kernel.chat import ToolExample

if TYPE_CHECKING:
    from collections.abc import Callable

_SECTION: Final = re.compile(r"^(Args|Arguments|Attributes|Example|Examples|Note|Notes|Raises|Returns|Source|Yields):$")
_ARGUMENT: Final = re.compile(r"^\*{0,2}(\w+)(?: *\([^)]*\))?: *(.*)$")


class Docstring(NamedTuple):
    """A docstring's parts: the text before the first section, the arguments' descriptions by name, and examples."""

    description: str
    arguments: dict[str, str]
    examples: tuple[ToolExample, ...] = ()


def read(function: Callable[..., object]) -> Docstring:
    """The parts of a function's docstring in Google's style; empty where it says nothing."""
    sections: dict[str, list[str]] = {"": []}
    section = ""
    for line in inspect.cleandoc(function.__doc__ or "").splitlines():
        heading = _SECTION.match(line)
        if heading:
            section = {"Arguments": "Args", "Example": "Examples"}.get(heading[1], heading[1])
        sections.setdefault(section, [])
        if not heading:
            sections[section].append(line)
    return Docstring(
        _one_line(sections[""]), _arguments(sections.get("Args", [])), _examples(sections.get("Examples", []))
    )


def _arguments(lines: list[str]) -> dict[str, str]:
    """`name: text` begins an argument at the section's own indentation; deeper lines go on with it."""
    margin = min((_indentation(line) for line in lines if line.strip()), default=0)
    found: dict[str, list[str]] = {}
    name = ""
    for line in lines:
        match = _ARGUMENT.match(line.strip()) if _indentation(line) == margin else None
        if match:
            name = match[1]
            found[name] = [match[2]]
        elif name:
            found[name].append(line)
    return {name: _one_line(text) for name, text in found.items()}


def _examples(lines: list[str]) -> tuple[ToolExample, ...]:
    """Lines of the form `request -> {arguments as JSON}`; other lines are for people."""
    found = []
    for line in lines:
        request, _, arguments = line.strip().rpartition(" -> ")
        with suppress(ValueError):
            value = json.loads(arguments)
            if request and isinstance(value, dict):
                found.append(ToolExample(request, value))
    return tuple(found)


def _indentation(line: str) -> int:
    return len(line) - len(line.lstrip())


def _one_line(lines: list[str]) -> str:
    return " ".join(" ".join(lines).split())
