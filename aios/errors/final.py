"""Errors that end something badly: recorded, never retried."""

from __future__ import annotations

from aios.errors.base import AiosError


class FinalError(AiosError):
    """It ended badly: recorded, never retried."""


class ToolFailed(FinalError):
    """`ToolFailed(tool, kind, text)`: a tool raised an error of its own."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        tool, kind, text = self.args
        return f"tool {tool!r} raised {kind}: {text}"


class ToolOff(FinalError):
    """`ToolOff(tool, why)`: this machine or its configuration does not allow a tool; there is no weaker way instead."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        tool, why = self.args
        return f"tool {tool!r} is off: {why}"


class ProgramFailed(FinalError):
    """`ProgramFailed(kind, text, traceback)`: a program raised an exception of its own."""

    def __str__(self) -> str:
        """The exception's type and message, as Python prints them."""
        kind, text, _traceback = self.args
        return f"{kind}: {text}"


class ProgramStuck(FinalError):
    """`ProgramStuck(seconds, stack)`: a program ran this long without a request."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        seconds, stack = self.args
        return f"the program made no request for {seconds} s; long work belongs in a tool. It was at:\n{stack}"


class ProgramBroke(FinalError):
    """`ProgramBroke(what)`: a program caught the signal that evicts it, or otherwise left the protocol."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        (what,) = self.args
        return f"the program {what}; never catch BaseException without raising it again"


class ChildFailed(FinalError):
    """`ChildFailed(id, state, text)`: the child agent waited for did not end `done`."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        child, state, text = self.args
        return f"child agent {child} ended {state}: {text}"


class SyscallExpired(FinalError):
    """`SyscallExpired(op, seconds)`: a syscall passed its deadline."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        op, seconds = self.args
        return f"{op} passed its deadline of {seconds} s"


class AttemptsSpent(FinalError):
    """`AttemptsSpent(op, errors, last)`: a transient error came back too often."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        op, errors, last = self.args
        return f"{op} failed {errors} times; last: {last}"


class OutcomeUnknown(FinalError):
    """`OutcomeUnknown(op)`: an operation that must not be repeated was broken off: its worker died or its time ran out."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        (op,) = self.args
        return f"{op} was broken off, and it is declared `once`: whether it took effect is unknown"


class Quarantined(FinalError):
    """`Quarantined(op, crashes)`: its worker died this often while it ran."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        op, crashes = self.args
        return f"{op} was running when its worker died, {crashes} times; it is not tried again"


class SchemaMismatch(FinalError):
    """`SchemaMismatch(found, wanted)`: the database is behind or ahead of this version's migrations."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        found, wanted = self.args
        return f"the database is at migration {found!r}, this version needs {wanted!r}; {self.remedy}"

    @property
    def remedy(self) -> str:
        """What to do: migrations are numbered, so it is known which side is behind."""
        found, wanted = self.args
        if str(found or "") > str(wanted):
            return "install the newer AIOS that it was upgraded by"
        return "run `aios db upgrade`"


class Misconfigured(FinalError):
    """`Misconfigured(what, remedy)`: the installation or its configuration cannot work."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        what, remedy = self.args
        return f"{what}; {remedy}"


class BlobLost(FinalError):
    """`BlobLost(digest, why)`: the content of a file's version cannot be read."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        digest, why = self.args
        return f"content {digest} is lost: {why}; restore it from a backup, or roll the file back to another version"
