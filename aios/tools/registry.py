"""The tools of one process by name: planning, models and the tool pool all ask here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from aios.errors import InvalidArgument, OutcomeUnknown, ToolNotReached, TransientError, UnknownTool, did_you_mean
from aios.kernel.plan import ToolInfo
from aios.kernel.words import Effect
from aios.tools.caller import Caller
from aios.tools.run import Runner

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager
    from uuid import UUID

    from aios.kernel.chat import ToolSpec
    from aios.kernel.ports import Later, Nested
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


class Found(Protocol):
    """Tools that are looked up when they are asked for, such as those of MCP servers."""

    def info(self, name: str) -> ToolInfo | None:
        """What planning must know of a tool; None if it is none of these."""
        ...

    def find(self, name: str) -> Tool | None:
        """The tool; None if it is none of these."""
        ...

    def close(self) -> None:
        """Let go of what is held for them."""
        ...


class Permits(Protocol):
    """Lets so many calls of a tool run at once, on all machines together."""

    def hold(self, tools: Mapping[str, int]) -> AbstractContextManager[None]:
        """Hold one permit of each tool, by its limit, while inside.

        Raises:
            ToolBusy: as many calls of one of them are under way as it allows.
        """
        ...


class Registry:
    """Implements the kernel's `ToolBox` on tools in this process."""

    def __init__(
        self,
        tools: Iterable[Loaded],
        *,
        errors: Iterable[LoadError] = (),
        timeout_seconds: float = 30.0,
        result_bytes: int = 4_000_000,
        limits: Mapping[str, int] | None = None,
        found: Found | None = None,
        permits: Permits | None = None,
    ) -> None:
        """Take the tools in order; a name that is taken already becomes one more of `errors`.

        Args:
            tools: the first of a name wins, so that no file replaces a tool that ships.
            errors: what could not be loaded.
            timeout_seconds: of tools that do not say.
            result_bytes: longest result.
            limits: calls at once by name; they win over what a tool says itself.
            found: tools that are looked up when they are asked for.
            permits: None: no limit is enforced here.
        """
        self._timeout_seconds = timeout_seconds
        self._runner = Runner(result_bytes=result_bytes)
        self._loaded: dict[str, Loaded] = {}
        self._limits = dict(limits or {})
        self._found = found
        self._permits = permits
        self.errors = list(errors)
        for loaded in tools:
            self._add(loaded)
        self._by_name = _Infos({name: self._info(one.tool) for name, one in self._loaded.items()}, self)

    @property
    def stuck(self) -> bool:
        """Whether a tool that ran out of time still runs; a process with one should exit when its syscall is done."""
        return self._runner.stuck

    def listing(self) -> list[Loaded]:
        """Every tool that is loaded, by name."""
        return [self._loaded[name] for name in sorted(self._loaded)]

    def infos(self) -> Mapping[str, ToolInfo]:
        """What planning must know, by name; tools that are looked up are in it too, though not counted."""
        return self._by_name

    def limits(self) -> dict[str, int]:
        """Calls at once, of the tools that have such a limit."""
        limits = {name: info.limit for name, info in self.infos().items() if info.limit}
        return {**limits, **self._limits}

    def spec(self, name: str) -> ToolSpec:
        """What a model must know.

        Raises:
            UnknownTool: there is none.
        """
        return self._tool(name).spec

    def hold(self, names: Iterable[str]) -> AbstractContextManager[None]:
        """Hold a permit of each of these tools that has a limit, while inside.

        Raises:
            ToolBusy: one of them has as many calls under way as it allows.
        """
        limited = {name: self._by_name[name].limit for name in set(names) if name in self._by_name}
        wanted = {name: limit for name, limit in limited.items() if limit}
        return self._permits.hold(wanted) if wanted and self._permits else nullcontext()

    def call(
        self, name: str, arguments: JsonObject, *, agent_id: UUID, seconds: float, nested: Nested | None = None
    ) -> Json | Later:
        """Validate the arguments, run the tool, give its JSON result, or what makes it.

        Raises:
            UnknownTool: there is none.
            BadToolArguments: with a text that a model can repair its call from.
            ToolTimeout: it took longer than `seconds` or than its own limit.
            ToolFailed: it raised.
            OutcomeUnknown: it is declared `once` and was broken off.
            NotJson: its result is none.
        """
        tool = self._tool(name)
        seconds = min(seconds, self._seconds(tool))
        bound = tool.bind(arguments, caller=Caller(agent_id, seconds, nested))
        try:
            return self._runner.run(name, tool.function, bound, seconds=seconds)
        except ToolNotReached:
            raise
        except TransientError as error:
            # A class that is retried must not leave a tool that may not be: it has begun, and may have had its effect.
            if tool.effect is Effect.ONCE:
                raise OutcomeUnknown(f"tool {name!r} ({error})") from error
            raise

    def close(self) -> None:
        """Let go of what is held for tools, such as connections to their servers."""
        if self._found is not None:
            self._found.close()

    def looked_up(self, name: str) -> ToolInfo | None:
        """What planning must know of a tool that is looked up; None if there is none of that name."""
        info = self._found.info(name) if self._found else None
        return info and replace(info, limit=self._limits.get(name, info.limit))

    def _tool(self, name: str) -> Tool:
        loaded = self._loaded.get(name)
        if loaded is not None:
            return loaded.tool
        found = self._found.find(name) if self._found else None
        if found is None:
            raise UnknownTool(name, did_you_mean(name, self._loaded))
        return found

    def _info(self, tool: Tool) -> ToolInfo:
        return ToolInfo(tool.name, tool.effect, self._seconds(tool), self._limits.get(tool.name, tool.limit))

    def _seconds(self, tool: Tool) -> float:
        return tool.timeout_seconds or self._timeout_seconds

    def _add(self, loaded: Loaded) -> None:
        first = self._loaded.setdefault(loaded.tool.name, loaded)
        if first is not loaded:
            remedy = f"the name is taken by {first.source}; give it another"
            self.errors.append(LoadError(loaded.source, str(InvalidArgument("tool", loaded.tool.name, remedy))))


class _Infos(Mapping[str, ToolInfo]):
    """What is loaded, and what is looked up by name: what an MCP server has need not be known before it is asked for."""

    def __init__(self, loaded: Mapping[str, ToolInfo], registry: Registry) -> None:
        self._loaded, self._registry = loaded, registry

    def __getitem__(self, name: str) -> ToolInfo:
        info = self._loaded.get(name) or self._registry.looked_up(name)
        if info is None:
            raise KeyError(name)
        return info

    def __iter__(self) -> Iterator[str]:
        return iter(self._loaded)

    def __len__(self) -> int:
        return len(self._loaded)
