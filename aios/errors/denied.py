"""Errors by which a rule forbids something: never retried."""

from __future__ import annotations

from aios.errors.base import AiosError


class DeniedError(AiosError):
    """A rule forbids it: never retried."""


class AddressDenied(DeniedError):
    """`AddressDenied(url, why)`: a tool may not reach this address."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        url, why = self.args
        return f"{url!r} may not be fetched: {why}"


class PathDenied(DeniedError):
    """`PathDenied(path, why)`: an agent may not reach this path."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        path, why = self.args
        return f"path {path!r} is denied: {why}"


class ToolDenied(DeniedError):
    """`ToolDenied(tool, program)`: the program did not declare this tool."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        tool, program = self.args
        return f"program {program!r} does not declare tool {tool!r}; add it to @program(tools=[...])"
