"""Errors by which a rule forbids something: never retried."""

from __future__ import annotations

from aios.errors.base import AiosError


class DeniedError(AiosError):
    """A rule forbids it: never retried."""


class AccessDenied(DeniedError):
    """`AccessDenied(who, operation, resource, why)`: no rule of the access manager allows it, or one forbids it."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        who, operation, resource, why = self.args
        return f"{who} may not {operation} {resource}: {why}; `aios grant {who} {operation} {resource}` would allow it"


class ApprovalDenied(DeniedError):
    """`ApprovalDenied(operation, resource, by, note)`: a human said no, or nobody answered in time."""

    def __str__(self) -> str:
        """What was refused, by whom and why."""
        operation, resource, by, note = self.args
        return f"{operation} {resource} was not approved ({by}{f': {note}' if note else ''})"


class ApprovalVoid(DeniedError):
    """`ApprovalVoid(operation, resource, why)`: what was approved is not what would be done now; ask again."""

    def __str__(self) -> str:
        """What has changed, and what to do."""
        operation, resource, why = self.args
        return (
            f"the approval of {operation} {resource} is void: {why}; request it again to have it approved as it is now"
        )


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


class ToolSchemaChanged(DeniedError):
    """`ToolSchemaChanged(tool, how)`: an MCP server offers something else (`new`, `changed`, `gone`) than was accepted."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        tool, how = self.args
        remedy = f"look at `aios tools show {tool}`, then `aios tools accept`"
        return f"tool {tool!r} is {how} since its server was accepted; {remedy}"


class ToolDenied(DeniedError):
    """`ToolDenied(tool, program)`: the program did not declare this tool."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        tool, program = self.args
        return f"program {program!r} does not declare tool {tool!r}; add it to @program(tools=[...])"


class LinkRefused(DeniedError):
    """`LinkRefused(why)`: a share link does not open anything (any more)."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        (why,) = self.args
        return f"this share link {why}; ask its owner for a new one"
