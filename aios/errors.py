"""Every error of AIOS, and by its base class who has to act.

::

    AiosError
    |- CallerError      the caller's mistake: never retried, the message names the value and the remedy
    |- DeniedError      a rule forbids it: never retried
    |- TransientError   the world's fault for now: retried with backoff, up to a limit
    |- FinalError       it ended badly: recorded, never retried
    Signal (BaseException)
    |- Evicted          a program's coroutine is being dropped; it must not be journalled
    |- Ignored          a duplicate, stale or pre-empted delivery: the chain stops here

The class, never the call site, decides about a retry. An error crosses processes as JSON (`to_json`, `from_json`):
its `args` are its constructor's positional arguments, all JSON values, and its text is built in `__str__`. Celery's JSON
serializer turns anything else into a bare `Exception`.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, ClassVar, TypedDict

if TYPE_CHECKING:
    from collections.abc import Iterable


class ErrorJson(TypedDict):
    """An error as it stands in the journal."""

    type: str
    args: list[object]
    message: str


class AiosError(Exception):
    """Base of all errors of AIOS. `kinds` maps a class name to the class, so that a stored error can be raised again."""

    kinds: ClassVar[dict[str, type[AiosError]]] = {}
    retried: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        """Register the class under its name."""
        super().__init_subclass__()
        AiosError.kinds[cls.__name__] = cls

    def to_json(self) -> ErrorJson:
        """The error as a JSON value; `from_json` gives it back."""
        return {"type": type(self).__name__, "args": list(self.args), "message": str(self)}


def from_json(value: ErrorJson) -> AiosError:
    """The error that `to_json` stored; an unknown type comes back as `ProgramFailed`, never as a crash."""
    kind = AiosError.kinds.get(value["type"])
    if kind is None:
        return ProgramFailed(value["type"], value.get("message", ""), "")
    return kind(*value["args"])


def did_you_mean(name: str, known: Iterable[str]) -> list[str]:
    """The known names nearest to `name`, best first: the `near` argument of the unknown-name errors."""
    return difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)


def _hint(near: object, otherwise: str) -> str:
    names = [str(n) for n in near] if isinstance(near, list) else []
    return f"; did you mean {' or '.join(repr(n) for n in names)}?" if names else f"; {otherwise}"


# --- the caller's mistake -------------------------------------------------------------------------------------------


class CallerError(AiosError):
    """The caller's mistake: never retried."""


class InvalidArgument(CallerError):
    """`InvalidArgument(name, value, remedy)`: an argument of an API call or a command is not acceptable."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        name, value, remedy = self.args
        return f"invalid {name} {value!r}: {remedy}"


class UnknownProgram(CallerError):
    """`UnknownProgram(name, near)`."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        name, near = self.args
        return f"unknown program {name!r}" + _hint(near, "see `aios programs` for those that are loaded")


class UnknownTool(CallerError):
    """`UnknownTool(name, near)`."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        name, near = self.args
        return f"unknown tool {name!r}" + _hint(near, "see `aios programs --tools` for those that are loaded")


class UnknownModel(CallerError):
    """`UnknownModel(name, near)`."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        name, near = self.args
        return f"unknown model {name!r}" + _hint(near, "leave `model` out to use the engine's own")


class NotFound(CallerError):
    """`NotFound(kind, id)`: no agent, file, memory or schedule has this id."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        kind, name = self.args
        return f"no {kind} {name!r}"


class BadToolArguments(CallerError):
    """`BadToolArguments(tool, problems)`: a text that a model can repair its call from."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        tool, problems = self.args
        lines = "; ".join(str(p) for p in problems) if isinstance(problems, list) else str(problems)
        return f"arguments of tool {tool!r} do not fit its schema: {lines}. Call it again with arguments that do."


class EngineRefused(CallerError):
    """`EngineRefused(core, kind, text)`: the engine called the request invalid (HTTP 4xx but 429)."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        core, kind, text = self.args
        return f"engine {core!r} refused the request ({kind}): {text}"


class BudgetSpent(CallerError):
    """`BudgetSpent(budget, limit, spent)`: an agent's tree used up one of its budgets."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        budget, limit, spent = self.args
        return f"budget {budget!r} is spent: {spent} of {limit}; submit with a larger `budgets={{{budget!r}: ...}}`"


class NondeterminismError(CallerError):
    """`NondeterminismError(seq, recorded, replayed)`: a replay asked for something else than the journal holds."""

    def __str__(self) -> str:
        """Both sides of the divergence."""
        seq, recorded, replayed = self.args
        return (
            f"the program's request {seq} differs from the journal's: recorded {recorded}, replayed {replayed}. "
            "Use agent.now/random/uuid/step for what changes between runs, or agent.patched('id') round a wanted change; "
            "after a fix: `aios retry AGENT`"
        )


class ForeignAwaitable(CallerError):
    """`ForeignAwaitable(what)`: a program awaited something that is no request of its agent."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        (what,) = self.args
        return (
            f"a program awaited {what}, which is no request of its agent: there is no event loop here. Do such work in "
            "`await agent.step(fn, ...)` (a plain function, journalled) or in a tool"
        )


class NotJson(CallerError):
    """`NotJson(what, why)`: a value that must be journalled is no JSON."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        what, why = self.args
        return f"{what} is not JSON ({why}); use dicts, lists, strings, numbers, booleans and None"


class AgentEnded(CallerError):
    """`AgentEnded(id, state)`: the operation needs a live agent."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        agent, state = self.args
        return f"agent {agent} has already ended ({state})"


class BadMessage(CallerError):
    """`BadMessage(task, why)`: a message on a queue is malformed or oversized; it was refused and counted."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        task, why = self.args
        return f"refused a message for {task}: {why}"


# --- denied -----------------------------------------------------------------------------------------------------------


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


# --- transient --------------------------------------------------------------------------------------------------------


class TransientError(AiosError):
    """The world's fault for now: retried with backoff, up to a limit."""

    retried = True


class EngineOverloaded(TransientError):
    """`EngineOverloaded(core, retry_after_seconds)`: HTTP 429; the syscall is ready again and no attempt is used."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        core, after = self.args
        return f"engine {core!r} is overloaded; next call in {after} s"


class EngineFailed(TransientError):
    """`EngineFailed(core, text)`: the engine broke off or answered HTTP 5xx or 424."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        core, text = self.args
        return f"engine {core!r} failed: {text}"


class EngineUnreachable(EngineFailed):
    """`EngineUnreachable(core, text)`: nobody listens there. Nothing was asked, so no attempt is used."""


class EngineTimeout(TransientError):
    """`EngineTimeout(core, seconds)`: no token for this long."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        core, seconds = self.args
        return f"engine {core!r} sent nothing for {seconds} s"


class DatabaseUnavailable(TransientError):
    """`DatabaseUnavailable(where, why)`."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        where, why = self.args
        return f"the database {where} does not answer ({why}); is it running? `aios doctor` checks every part"


class BrokerUnavailable(TransientError):
    """`BrokerUnavailable(where, why)`."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        where, why = self.args
        return f"Redis {where} does not answer ({why}); is it running? `aios doctor` checks every part"


class QueueFull(TransientError):
    """`QueueFull(limit)`: too many agents wait to be started."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        (limit,) = self.args
        return f"{limit} agents already wait to be started; try again later, or raise limits.queued_agents"


class ToolTimeout(TransientError):
    """`ToolTimeout(tool, seconds)`."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        tool, seconds = self.args
        return f"tool {tool!r} did not finish within {seconds} s"


class ToolUnavailable(TransientError):
    """`ToolUnavailable(tool, what, why)`: what a tool needs outside does not answer for now."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        tool, what, why = self.args
        return f"tool {tool!r} cannot reach {what} ({why}); try again later"


# --- final ------------------------------------------------------------------------------------------------------------


class FinalError(AiosError):
    """It ended badly: recorded, never retried."""


class ToolFailed(FinalError):
    """`ToolFailed(tool, kind, text)`: a tool raised an error of its own."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        tool, kind, text = self.args
        return f"tool {tool!r} raised {kind}: {text}"


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
        return f"the database is at migration {found!r}, this version needs {wanted!r}; run `aios db upgrade`"


class Misconfigured(FinalError):
    """`Misconfigured(what, remedy)`: the installation or its configuration cannot work."""

    def __str__(self) -> str:
        """What is wrong, with which value, and what to do."""
        what, remedy = self.args
        return f"{what}; {remedy}"


# --- signals that are no errors -----------------------------------------------------------------------------------------


class Signal(BaseException):
    """Control flow that is no error. A program that catches it must raise it again."""


class Evicted(Signal):
    """The coroutine is dropped while its request is pending; `finally` blocks run, their requests are not journalled."""


class Ignored(Signal):
    """This delivery has nothing to do: a duplicate, stale or pre-empted message. `tasks` turns it into Celery's Ignore."""
