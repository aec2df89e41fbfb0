"""The tools of a program under test: real ones, checked as the tool pool checks them, and stand-ins."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, cast

from aios.errors import BadToolArguments, InvalidArgument
from aios.kernel.chat import ToolSpec
from aios.kernel.values import Json
from aios.tools.calculator import calculator
from aios.tools.executor import Surroundings, ToolExecutor
from aios.tools.own import OWN
from aios.tools.registry import Loaded, Registry
from aios.tools.text import text
from aios.tools.tool import Tool, tool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from aios.db.session import Database
    from aios.kernel.ports import Executor
    from aios.tools.caller import Caller

Function: TypeAlias = Callable[..., Json]

Given: TypeAlias = Iterable[Function] | Mapping[str, Function]
"""Tools and typed functions; or by name, functions of any kind that stand for a tool."""

_PURE = (calculator, text, *OWN)  # what ships and reaches nothing outside


def registry_of(given: Given) -> Registry:
    """The tools that a program may call: those given, and of those that ship the ones that reach nothing outside.

    Raises:
        InvalidArgument: a function has no types, so that no schema can be made of it, or a name comes twice.
    """
    tools = (
        [_stand_in(name, one) for name, one in given.items()] if isinstance(given, Mapping) else [*map(_tool, given)]
    )
    names = {one.name for one in tools}
    registry = Registry(Loaded(one, "play") for one in [*tools, *(pure for pure in _PURE if pure.name not in names)])
    if registry.errors:
        raise InvalidArgument("tools", [one.name for one in tools], "a name comes twice; give each tool one of its own")
    return registry


def executor_of(registry: Registry, executors: Mapping[str, Executor]) -> ToolExecutor:
    """The tool pool's own executor, whose tools reach their agent's files and memory in these."""
    return ToolExecutor(registry, Surroundings(executors, cast("Database", Nowhere())))


class Nowhere:
    """Stands where a transaction, or what opens one, is wanted: fakes of pools keep what they have in dicts."""

    @contextmanager
    def transaction(self) -> Iterator[Nowhere]:
        """A transaction."""
        yield self

    def begin_nested(self) -> AbstractContextManager[None]:
        """A savepoint: an operation of a fake does all of it, or raises before it does anything."""
        return nullcontext()


def _tool(function: Function) -> Tool:
    return function if isinstance(function, Tool) else tool(function)


def _stand_in(name: str, function: Function) -> Tool:
    if isinstance(function, Tool):
        return tool(name=name, effect=function.effect)(function.function)
    names = inspect.signature(function).parameters
    spec = ToolSpec(name, f"{name}.", {"type": "object", "properties": {one: {} for one in names}})
    return Tool(spec, function, _AnyValue(inspect.signature(function)))


@dataclass(frozen=True)
class _AnyValue:
    """Arguments of a stand-in: they have the names of its parameters, and any value."""

    signature: inspect.Signature

    def bind(self, tool: str, given: Json, *, caller: Caller) -> dict[str, object]:
        """The keyword arguments as they are."""
        del caller
        try:
            self.signature.bind(**given)
        except TypeError as error:
            raise BadToolArguments(tool, [str(error)]) from error
        return dict(given)
