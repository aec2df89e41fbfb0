"""Programs: named, versioned coroutine functions, and the `@program` that declares them."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

from aios.errors import InvalidArgument
from aios.kernel.values import Json
from aios.kernel.windows import Strategy, strategy_of

if TYPE_CHECKING:
    from aios.kernel.agent import Agent
    from aios.kernel.recall import AutoMemory

Function = Callable[..., Coroutine[Any, Any, Json]]


@dataclass(frozen=True)
class Program:
    """An agent's code.

    Attributes:
        function: `async def f(agent, task)`; it awaits nothing but its agent's requests.
        tools: names of the tools it may use.
        version: told in the process table; a changed version is no error, a diverging replay is.
        context: what happens to conversations that do not fit into a core's window.
        memory: what its chats recall and remember by themselves; None: nothing.
    """

    name: str
    function: Function
    tools: tuple[str, ...]
    version: str
    summary: str
    context: Strategy = Strategy.ERROR
    memory: AutoMemory | None = None

    def start(self, agent: Agent, task: Json) -> Coroutine[Any, Any, Json]:
        """The coroutine of one run."""
        return self.function(agent, task)

    def __call__(self, agent: Agent, task: Json) -> Coroutine[Any, Any, Json]:
        """Call it from another program as an ordinary coroutine function."""
        return self.function(agent, task)


@overload
def program(function: Function, /) -> Program: ...
@overload
def program(
    *,
    name: str = ...,
    tools: tuple[str, ...] | list[str] = ...,
    version: str = ...,
    context: str = ...,
    memory: AutoMemory | None = ...,
) -> Callable[[Function], Program]: ...


def program(
    function: Function | None = None,
    /,
    *,
    name: str = "",
    tools: tuple[str, ...] | list[str] = (),
    version: str = "",
    context: str = Strategy.ERROR,
    memory: AutoMemory | None = None,
) -> Program | Callable[[Function], Program]:
    """Declare a program: `@program` or `@program(tools=["calculator"])` above an `async def f(agent, task)`.

    Args:
        function: the coroutine function, when used without parentheses.
        name: default: the function's name.
        tools: names of the tools it may use; others are denied.
        version: default: a hash of the function's source.
        context: what happens to conversations that do not fit: `error`, `drop_oldest`, `summarise` or `page_out`.
        memory: what its chats recall before and remember after, unless a chat says otherwise; None: nothing.

    Raises:
        InvalidArgument: it is no coroutine function, or there is no such `context`.
    """
    strategy = strategy_of(context)

    def declare(function: Function) -> Program:
        if not inspect.iscoroutinefunction(function):
            raise InvalidArgument("program", getattr(function, "__name__", function), "declare it with `async def`")
        doc = (inspect.getdoc(function) or "").splitlines()
        return Program(
            name=name or function.__name__,
            function=function,
            tools=tuple(tools),
            version=version or _source_hash(function),
            summary=doc[0] if doc else "",
            context=strategy,
            memory=memory,
        )

    return declare if function is None else declare(function)


def _source_hash(function: Function) -> str:
    try:
        source = inspect.getsource(function)
    except OSError:  # defined at a prompt
        source = function.__code__.co_code.hex()
    return hashlib.sha256(source.encode()).hexdigest()[:12]
