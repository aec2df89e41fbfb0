"""Ports: what the kernel needs of the world, one Protocol each. Adapters implement them; `aios.testing` has a fake of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from aios.kernel.chat import Sampling, ToolCall, ToolSpec, Usage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from uuid import UUID

    from aios.kernel.plan import ToolInfo
    from aios.kernel.values import Json, JsonObject


def _always() -> bool:
    return True


# --- execution --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Claimed:
    """A syscall that this process may execute now.

    Attributes:
        token: proves the claim; every write of the syscall checks it.
        earlier: results of the earlier syscalls of the same request, in order.
        messages: the conversation asked with, for `llm`.
        program: the asking agent's program.
        seconds_left: until its deadline.
        age_seconds: since it was issued.
        valid: whether the claim may still be executed; asked last before a call that costs something.
    """

    id: UUID
    agent_id: UUID
    request_id: UUID
    position: int
    pool: str
    op: str
    payload: JsonObject
    token: UUID
    attempt: int
    errors: int
    priority: int
    program: str
    tenant: str
    seconds_left: float
    age_seconds: float = 0.0
    prompt: bytes | None = None
    earlier: list[Json] = field(default_factory=list)
    messages: list[JsonObject] = field(default_factory=list)
    valid: Callable[[], bool] = field(default=_always, compare=False)


@dataclass(frozen=True)
class Outcome:
    """What executing a syscall gave.

    Attributes:
        result: its JSON result; ignored when `effect` is given.
        effect: does its work in the transaction that completes the syscall, and gives the result.
        message: llm: the assistant message, stored as a delta of the prompt's context.
    """

    result: Json = None
    effect: Callable[[Json], Json] | None = None
    message: JsonObject | None = None
    usage: Usage | None = None
    core: str = ""


class Executor(Protocol):
    """Executes the syscalls of one pool. What it raises decides about a retry by its class."""

    def perform(self, call: Claimed) -> Outcome:
        """Do what may be repeated; leave what must happen once to `Outcome.effect`."""
        ...

    def cancel(self, syscall: UUID) -> None:
        """Stop executing it, if it is under way here: its claim was taken away."""
        ...


@runtime_checkable
class MayStick(Protocol):
    """An executor whose foreign code may outlive its time."""

    @property
    def stuck(self) -> bool:
        """Whether such code still runs in this process."""
        ...


# --- models -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CoreInfo:
    """What a core says of itself."""

    model: str
    max_total_tokens: int
    max_concurrent: int


@dataclass(frozen=True)
class Token:
    """One generated token."""

    index: int
    id: int
    text: str
    logprob: float | None = None
    special: bool = False


@dataclass(frozen=True)
class Finish:
    """The end of a generation: the whole text (special tokens left out), why it ended, and what it cost."""

    text: str
    reason: Literal["stop", "length", "stop_sequence"]
    usage: Usage
    tool_calls: tuple[ToolCall, ...] = ()
    token_ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class Prompt:
    """What a core is asked: a conversation or a text, what the answer must look like, and whose it is.

    Attributes:
        text: a plain completion's prompt; None when `messages` are given.
        trace: HTTP headers that name the syscall and the claim, for the engine's log.
        valid: whether it may still be asked; a driver looks last before it sends.
    """

    messages: Sequence[JsonObject] = ()
    text: str | None = None
    tools: Sequence[ToolSpec] = ()
    schema: JsonObject | None = None
    sampling: Sampling = field(default_factory=Sampling)
    model: str = ""
    trace: dict[str, str] = field(default_factory=dict)
    valid: Callable[[], bool] = field(default=_always, compare=False)


class Driver(Protocol):
    """Speaks to one core. Closing the iterator (cancelling the task) closes the core's stream."""

    name: str
    resume: Literal["kv", "rerun", "none"]

    def generate(self, prompt: Prompt) -> AsyncIterator[Token | Finish]:
        """Tokens as they come, then one `Finish`.

        Raises:
            EngineOverloaded: HTTP 429.
            EngineRefused: the request is invalid.
            EngineFailed: the core broke off.
            EngineTimeout: no token for too long.
        """
        ...

    async def info(self) -> CoreInfo:
        """What the core says of itself."""
        ...

    async def healthy(self) -> bool:
        """Whether it would answer now."""
        ...

    async def aclose(self) -> None:
        """Close its connections."""
        ...


class TokenSink(Protocol):
    """Where tokens go while they are generated: a stream per syscall that clients follow. Losing it loses no result."""

    def push(self, syscall: UUID, attempt: int, tokens: Sequence[Token]) -> None:
        """Append tokens."""
        ...

    def end(self, syscall: UUID, attempt: int, reason: str, tokens: Sequence[Token] = ()) -> None:
        """Append the last tokens and mark the end of an attempt: `done`, `failed` or `again`."""
        ...


# --- memory, storage, tools ---------------------------------------------------------------------------------------------


class Embedder(Protocol):
    """Texts to unit vectors. Vectors of different names cannot be compared."""

    name: str
    dimensions: int

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector per text."""
        ...


class ToolBox(Protocol):
    """The tools that are loaded."""

    def infos(self) -> dict[str, ToolInfo]:
        """What planning must know, by name."""
        ...

    def spec(self, name: str) -> ToolSpec:
        """What a model must know.

        Raises:
            UnknownTool: there is none.
        """
        ...

    def call(self, name: str, arguments: JsonObject, *, agent_id: UUID, seconds: float) -> Json:
        """Validate the arguments, run the tool, give its JSON result.

        Raises:
            BadToolArguments: with a text that a model can repair its call from.
            ToolTimeout: it took too long.
            ToolFailed: it raised.
        """
        ...
