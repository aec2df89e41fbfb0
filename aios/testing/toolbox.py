"""A fake of the `ToolBox` port."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aios.errors import AiosError, BadToolArguments, ToolFailed, ToolTimeout, UnknownTool, did_you_mean
from aios.kernel.chat import ToolSpec
from aios.kernel.plan import ToolInfo
from aios.kernel.values import canonical
from aios.kernel.words import Effect

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from uuid import UUID

    from aios.kernel.ports import Later, Nested
    from aios.kernel.values import Json, JsonObject


class FakeToolBox:
    """A `ToolBox` of plain functions that take keyword arguments. Time is pretended: `slow` tools run out of it at once.

    Attributes:
        calls: every call that began, as name and arguments, in order.
    """

    def __init__(
        self,
        functions: Mapping[str, Callable[..., Json]],
        *,
        effects: Mapping[str, Effect] | None = None,
        slow: Sequence[str] = (),
    ) -> None:
        self.calls: list[tuple[str, JsonObject]] = []
        self._functions = dict(functions)
        self._effects = dict(effects or {})
        self._slow = frozenset(slow)

    def infos(self) -> dict[str, ToolInfo]:
        """What planning must know, by name."""
        return {name: ToolInfo(name, self._effects.get(name, Effect.IDEMPOTENT)) for name in self._functions}

    def spec(self, name: str) -> ToolSpec:
        """What a model must know; the parameters are the function's, of any type."""
        code = self._function(name).__code__
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        return ToolSpec(name, f"{name}.", {"type": "object", "properties": {n: {} for n in names}})

    def call(
        self, name: str, arguments: JsonObject, *, agent_id: UUID, seconds: float, nested: Nested | None = None
    ) -> Json | Later:
        """Call the function, if it has exactly these parameters or defaults for them."""
        del agent_id, nested
        function = self._function(name)
        known = self.spec(name).parameters["properties"]
        wrong = [f"{argument}: is no argument of it" for argument in arguments if argument not in known]
        missing = list(known)[: len(known) - len(function.__defaults__ or ())]
        wrong += [f"{argument}: is required" for argument in missing if argument not in arguments]
        if wrong:
            raise BadToolArguments(name, wrong)
        self.calls.append((name, arguments))
        if name in self._slow:
            raise ToolTimeout(name, seconds)
        return self._result(name, function, arguments)

    def _function(self, name: str) -> Callable[..., Json]:
        if name not in self._functions:
            raise UnknownTool(name, did_you_mean(name, self._functions))
        return self._functions[name]

    def _result(self, name: str, function: Callable[..., Json], arguments: JsonObject) -> Json:
        try:
            result = function(**arguments)
        except AiosError:
            raise
        except Exception as error:
            raise ToolFailed(name, type(error).__name__, str(error)) from error
        canonical(result, what=f"the result of tool {name!r}")
        return result
