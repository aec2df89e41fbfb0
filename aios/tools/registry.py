"""The tools of one process by name: planning, models and the tool pool all ask here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aios.errors import InvalidArgument, OutcomeUnknown, TransientError, UnknownTool, did_you_mean
from aios.kernel.plan import ToolInfo
from aios.kernel.words import Effect
from aios.tools.caller import Caller
from aios.tools.run import Runner

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from aios.kernel.chat import ToolSpec
    from aios.kernel.values import Json, JsonObject
    from aios.tools.tool import Tool


@dataclass(frozen=True)
class Loaded:
    """A tool and where it came from: `built-in`, a file's path or an entry point."""

    tool: Tool
    source: str


@dataclass(frozen=True)
class LoadError:
    """A source that gave no tool, and why."""

    source: str
    text: str


class Registry:
    """Implements the kernel's `ToolBox` on tools in this process."""

    def __init__(
        self,
        tools: Iterable[Loaded],
        *,
        errors: Iterable[LoadError] = (),
        timeout_seconds: float = 30.0,
        result_bytes: int = 4_000_000,
    ) -> None:
        """Take the tools in order; a name that is taken already becomes one more of `errors`.

        Args:
            tools: the first of a name wins, so that no file replaces a tool that ships.
            errors: what could not be loaded.
            timeout_seconds: of tools that do not say.
            result_bytes: longest result.
        """
        self._timeout_seconds = timeout_seconds
        self._runner = Runner(result_bytes=result_bytes)
        self._loaded: dict[str, Loaded] = {}
        self.errors = list(errors)
        for loaded in tools:
            self._add(loaded)

    @property
    def stuck(self) -> bool:
        """Whether a tool that ran out of time still runs; a process with one should exit when its syscall is done."""
        return self._runner.stuck

    def listing(self) -> list[Loaded]:
        """Every tool, by name."""
        return [self._loaded[name] for name in sorted(self._loaded)]

    def infos(self) -> dict[str, ToolInfo]:
        """What planning must know, by name."""
        return {name: ToolInfo(name, loaded.tool.effect, self._seconds(name)) for name, loaded in self._loaded.items()}

    def spec(self, name: str) -> ToolSpec:
        """What a model must know.

        Raises:
            UnknownTool: there is none.
        """
        return self._tool(name).spec

    def call(self, name: str, arguments: JsonObject, *, agent_id: UUID, seconds: float) -> Json:
        """Validate the arguments, run the tool, give its JSON result.

        Raises:
            UnknownTool: there is none.
            BadToolArguments: with a text that a model can repair its call from.
            ToolTimeout: it took longer than `seconds` or than its own limit.
            ToolFailed: it raised.
            OutcomeUnknown: it is declared `once` and was broken off.
            NotJson: its result is none.
        """
        tool = self._tool(name)
        seconds = min(seconds, self._seconds(name))
        bound = tool.bind(arguments, caller=Caller(agent_id, seconds))
        try:
            return self._runner.run(name, tool.function, bound, seconds=seconds)
        except TransientError as error:
            # A class that is retried must not leave a tool that may not be: it has begun, and may have had its effect.
            if tool.effect is Effect.ONCE:
                raise OutcomeUnknown(f"tool {name!r} ({error})") from error
            raise

    def _tool(self, name: str) -> Tool:
        loaded = self._loaded.get(name)
        if loaded is None:
            raise UnknownTool(name, did_you_mean(name, self._loaded))
        return loaded.tool

    def _seconds(self, name: str) -> float:
        return self._loaded[name].tool.timeout_seconds or self._timeout_seconds

    def _add(self, loaded: Loaded) -> None:
        first = self._loaded.setdefault(loaded.tool.name, loaded)
        if first is not loaded:
            remedy = f"the name is taken by {first.source}; give it another"
            self.errors.append(LoadError(loaded.source, str(InvalidArgument("tool", loaded.tool.name, remedy))))
