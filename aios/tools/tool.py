"""`@tool`: a plain typed function becomes a tool; its schema is read from the signature, its text from the docstring."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, overload

from aios.errors import InvalidArgument
from aios.kernel.chat import ToolSpec
from aios.kernel.words import Effect
from aios.tools import docstring
from aios.tools.arguments import Arguments

if TYPE_CHECKING:
    from collections.abc import Callable

    from aios.kernel.values import Json
    from aios.tools.caller import Caller


class Binds(Protocol):
    """Makes keyword arguments of what a model sends, or refuses it."""

    def bind(self, tool: str, given: Json, *, caller: Caller) -> dict[str, object]:
        """The keyword arguments.

        Raises:
            BadToolArguments: it does not fit.
        """
        ...


_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True)
class Tool:
    """A function that a model may call.

    Attributes:
        spec: what a model is told.
        function: does the work; may raise what it likes.
        arguments: checks what a model sends.
        effect: what repeating a call does; `once` is never repeated.
        timeout_seconds: None: as the settings say.
        limit: calls at once, on all machines together; None: any number.
        why_off: why it cannot be used on this machine, empty if it can; None: it always can.
    """

    spec: ToolSpec
    function: Callable[..., Json]
    arguments: Binds
    effect: Effect = Effect.IDEMPOTENT
    timeout_seconds: float | None = None
    limit: int | None = None
    why_off: Callable[[], str] | None = None

    @property
    def name(self) -> str:
        """The name that programs and models call it by."""
        return self.spec.name

    def __call__(self, *args: Json, **kwargs: Json) -> Json:
        """Call the function itself, unchecked: a tool stays a function to the code around it."""
        return self.function(*args, **kwargs)

    def bind(self, given: Json, *, caller: Caller) -> dict[str, object]:
        """The function's keyword arguments, checked.

        Raises:
            BadToolArguments: with a text that a model can repair its call from.
        """
        return self.arguments.bind(self.name, given, caller=caller)


@overload
def tool(function: Callable[..., Json], /) -> Tool: ...


@overload
def tool(
    *,
    name: str | None = None,
    effect: Effect | str = Effect.IDEMPOTENT,
    timeout_seconds: float | None = None,
    limit: int | None = None,
) -> Callable[[Callable[..., Json]], Tool]: ...


def tool(
    function: Callable[..., Json] | None = None,
    /,
    *,
    name: str | None = None,
    effect: Effect | str = Effect.IDEMPOTENT,
    timeout_seconds: float | None = None,
    limit: int | None = None,
) -> Tool | Callable[[Callable[..., Json]], Tool]:
    """Make a tool of a function: `@tool` alone, or with options.

    Args:
        function: plain (not `async`), every parameter annotated with what JSON can express.
        name: None: the function's own.
        effect: what repeating a call does: `none`, `idempotent` or `once`.
        timeout_seconds: a call ends by then; None: as the settings say.
        limit: calls at once, on all machines together; None: any number.

    Raises:
        InvalidArgument: no schema can be made of it, or an option is unknown.
    """

    def make(function: Callable[..., Json]) -> Tool:
        return _tool(function, name=name, effect=effect, timeout_seconds=timeout_seconds, limit=limit)

    return make if function is None else make(function)


def _tool(
    function: Callable[..., Json], *, name: str | None, effect: str, timeout_seconds: float | None, limit: int | None
) -> Tool:
    called = name or str(getattr(function, "__name__", ""))
    if not _NAME.fullmatch(called):
        raise InvalidArgument("tool name", called, "give up to 64 letters, digits, `_`, `.` or `-`, a letter first")
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise InvalidArgument("tool", called, "a tool is a plain function: no `async`, no `yield`")
    if effect not in set(Effect):
        raise InvalidArgument("effect", str(effect), f"one of {', '.join(Effect)}")
    if timeout_seconds is not None and not timeout_seconds > 0:
        raise InvalidArgument("timeout_seconds", timeout_seconds, "give more than 0")
    if limit is not None and limit < 1:
        raise InvalidArgument("limit", limit, "give at least 1, or leave it out")
    text = docstring.read(function)
    arguments = Arguments(function, text.arguments)
    spec = ToolSpec(called, text.description or called, arguments.schema, text.examples)
    return Tool(spec, function, arguments, Effect(effect), timeout_seconds, limit)
