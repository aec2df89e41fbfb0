"""Requests: what a program awaits. A request is data; awaiting it hands it to the kernel, which sends back the result."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Generic, TypeVar

from aios.kernel.values import Json, JsonObject, canonical, digest, short

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Sequence

    from aios.kernel.contexts import Chains

T = TypeVar("T")


def last(results: list[Json]) -> Json:
    """The result of a plan's last syscall: what most requests answer with."""
    return results[-1]


def nothing(results: list[Json]) -> None:
    """What a request answers with that only does something."""
    del results


@dataclass(frozen=True, eq=False)
class Request(Generic[T]):
    """One thing a program asks for.

    Attributes:
        resource: `llm`, `memory`, `storage`, `tool` or `agent`.
        op: the operation on it.
        args: its arguments, JSON.
        messages: the conversation it is about; journalled by digest, never in full.
        decode: makes the awaited value of the results of the plan's syscalls.
        local: computes the result in the drive itself; journalled with it, not dispatched.
        spelled: `args` as JSON text, where that is known already.
    """

    resource: str
    op: str
    args: JsonObject = field(default_factory=dict)
    messages: Sequence[JsonObject] | None = None
    decode: Callable[[list[Json]], T] = last
    local: Callable[[], Json] | None = None
    spelled: bytes | None = None

    def __await__(self) -> Generator[object, T, T]:
        """Hand the request to the kernel."""
        return (yield self)

    @property
    def name(self) -> str:
        """`resource.op`."""
        return f"{self.resource}.{self.op}"

    @property
    def label(self) -> str:
        """What is asked, cut short, for people."""
        parts = short(self.args, 80)
        if self.messages:
            parts += f" after {short(self.messages[-1].get('content', ''), 32)} ({len(self.messages)} messages)"
        return f"{self.name} {parts}"

    @cached_property
    def text(self) -> bytes:
        """Its arguments as JSON text.

        Raises:
            NotJson: one is none.
        """
        return self.spelled or canonical(self.args, what=f"an argument of {self.name}")

    def fingerprint(self, chains: Chains) -> bytes:
        """The digest of all that is asked.

        Raises:
            NotJson: an argument or a message is no JSON.
        """
        asked = self.name.encode(), self.spelled or self.text
        return digest(*asked, chains.digest(self.messages)) if self.messages else digest(*asked)


@dataclass(frozen=True, eq=False)
class Gather(Generic[T]):
    """Several awaitables side by side; all settle, then the results in order, or the lowest branch's error."""

    branches: tuple[Awaitable[T], ...]

    def __await__(self) -> Generator[object, list[T], list[T]]:
        """Hand the branches to the kernel."""
        return (yield self)
