"""Ports: what the kernel needs of the world, one Protocol each. Adapters implement them; `aios.testing` has a fake of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, runtime_checkable

from aios.kernel.chat import Sampling, ToolCall, ToolSpec, Usage
from aios.kernel.policy import Payer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
    from datetime import timedelta
    from uuid import UUID

    from aios.kernel.access import Book
    from aios.kernel.plan import ToolInfo
    from aios.kernel.slices import Partial, Slicing
    from aios.kernel.values import Json, JsonObject


def _always() -> bool:
    return True


def _ignore(_result: Json) -> None:
    pass


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
        root_id: the root agent of its spawn tree; None: the agent itself.
        owner: the user that the agent works for.
        approval: by which a human let it run; None: nobody had to.
        limit_key: what limits it within its pool; None: the pool alone.
        tokens: about as many as it may use.
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
    root_id: UUID | None = None
    owner: str = ""
    approval: UUID | None = None
    limit_key: str | None = None
    tokens: int | None = None

    @property
    def payer(self) -> Payer:
        """Whose work it is, for the scheduler."""
        root = self.root_id or self.agent_id
        return Payer.of(self.agent_id, root, tenant=self.tenant, owner=self.owner, program=self.program)


@dataclass(frozen=True)
class Clauses:
    """The usual course of an effect, as part of the statement that completes its syscall: one round trip instead of ten.

    Attributes:
        sql: CTEs that hang on `mine`, which has a row while the claim holds. The last of them, `effect`, gives the syscall's
            `result`; it has no row, and nothing is written, where the effect takes another course.
        values: what they bind beside `id` and `agent_id`, the syscall's own.
        done: is told the result.
    """

    sql: str
    values: JsonObject
    done: Callable[[Json], None] = _ignore


@dataclass(frozen=True)
class Outcome:
    """What executing a syscall gave.

    Attributes:
        result: its JSON result; ignored when `effect` is given.
        effect: does its work in the transaction that completes the syscall, and gives the result.
        clauses: do the same without a transaction of its own; `effect` runs where they did nothing.
        message: llm: the assistant message, stored as a delta of the prompt's context.
        after: runs once the syscall is completed and committed, and may be lost: for caches. It raises nothing.
    """

    result: Json = None
    effect: Callable[[Json], Json] | None = None
    clauses: Clauses | None = None
    message: JsonObject | None = None
    usage: Usage | None = None
    core: str = ""
    after: Callable[[], None] | None = None


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
    resume: Literal["kv", "rerun", "none"] = "rerun"  # how a generation that was cut off goes on there
    max_input_tokens: int = 0  # longest prompt; 0: what is left beside the reply


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
    core: str = ""  # which of several cores it came from
    resume: Literal["kv", "rerun"] = "rerun"  # how it would have gone on after a cut


@dataclass(frozen=True)
class Boundary:
    """The end of a slice that is not the generation's: it can go on from here, now or later.

    Attributes:
        partial: all that there is by now.
        fresh: how many of its tokens are of the slice that ended.
        seed: of that slice.
    """

    partial: Partial
    fresh: int
    seed: int


@dataclass(frozen=True)
class Prompt:
    """What a core is asked: a conversation or a text, what the answer must look like, and whose it is.

    Attributes:
        text: a plain completion's prompt; None when `messages` are given.
        notes: memories for the model, best first; `aios.llm.fit` puts those before the conversation that there is room for.
        fallbacks: models to ask when no core of `model` takes calls, in this order.
        quality: the least that a core must declare to be asked; the cheapest of them is asked first. 0: any core.
        trace: HTTP headers that name the syscall and the claim, for the engine's log.
        valid: whether it may still be asked; a driver looks last before it sends.
        slicing: that it is to come in slices; a driver that cannot ignores it.
    """

    messages: Sequence[JsonObject] = ()
    text: str | None = None
    notes: Sequence[str] = ()
    tools: Sequence[ToolSpec] = ()
    schema: JsonObject | None = None
    sampling: Sampling = field(default_factory=Sampling)
    model: str = ""
    fallbacks: Sequence[str] = ()
    quality: float = 0.0
    trace: dict[str, str] = field(default_factory=dict)
    valid: Callable[[], bool] = field(default=_always, compare=False)
    slicing: Slicing | None = None


class Driver(Protocol):
    """Speaks to one core. Closing the iterator (cancelling the task) closes the core's stream."""

    name: str
    resume: Literal["kv", "rerun", "none"]

    def generate(self, prompt: Prompt) -> AsyncIterator[Token | Boundary | Finish]:
        """Tokens as they come, then one `Finish`; between slices a `Boundary`, at which the core is not asked to go on yet.

        Raises:
            StateLost: what it was to go on from is gone.
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


@runtime_checkable
class Several(Protocol):
    """A driver of several cores."""

    async def narrowest(self, prompt: Prompt) -> Driver:
        """The driver of that core with the smallest window among those that may be asked."""
        ...


@runtime_checkable
class TokenCounter(Protocol):
    """Counts tokens exactly as a core does. A driver that can is one too."""

    async def count(self, prompt: Prompt) -> int:
        """Tokens of what the core would be sent for this prompt, its template and tools included.

        Raises:
            EngineFailed: and what else `Driver.generate` raises before it begins.
        """
        ...


@runtime_checkable
class Forgets(Protocol):
    """A driver whose core keeps KV states."""

    async def forget(self, state: JsonObject) -> None:
        """Have a state deleted that nobody will go on from. It raises nothing: what is left ends by its age."""
        ...


class Checkpoints(Protocol):
    """Where half-done generations are kept."""

    def load(self, call: Claimed) -> Partial | None:
        """A generation as far as its last boundary; None: it has none yet."""
        ...

    def save(self, call: Claimed, boundary: Boundary) -> bool:
        """Keep a boundary, and forget those behind it; False when the claim is no longer ours and nothing was kept."""
        ...

    def clear(self, tx: Json, call: Claimed) -> None:
        """Forget a generation, in the transaction that completes its syscall."""
        ...


class Rivals(Protocol):
    """Who else waits for what a running syscall holds."""

    def better_waits(self, id_: str, *, served_seconds: float, left_seconds: float) -> bool:
        """Whether somebody would stand before it if it ended its slice now.

        Args:
            id_: the syscall's.
            served_seconds: the service it had since it was granted.
            left_seconds: what it is expected to need from now on.

        Raises:
            BrokerUnavailable: nobody can tell.
        """
        ...


class Batch(NamedTuple):
    """The next tokens of one stream.

    Attributes:
        end: these are the last ones, as the attempt is over: `done`, `failed` or `again`.
        last: the index of the last token up to here, those that left earlier included; -1: not told.
    """

    syscall: UUID
    attempt: int
    tokens: Sequence[Token]
    end: str = ""
    last: int = -1


class TokenSink(Protocol):
    """Where tokens go while they are generated: a stream per syscall that clients follow. Losing it loses no result."""

    def send(self, batches: Sequence[Batch]) -> None:
        """Append each to its stream, in this order."""
        ...


# --- access -----------------------------------------------------------------------------------------------------------


class Rules(Protocol):
    """The access rules as this process knows them."""

    def book(self, version: int) -> Book:
        """All rules and groups, as of this version of them or a newer one.

        Raises:
            DatabaseUnavailable: they have to be read, and cannot be.
        """
        ...


# --- memory, storage, tools ---------------------------------------------------------------------------------------------


class Embedder(Protocol):
    """Texts to unit vectors. Vectors of different names cannot be compared."""

    @property
    def name(self) -> str:
        """Whose vectors they are."""
        ...

    @property
    def dimensions(self) -> int:
        """Length of its vectors."""
        ...

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector per text."""
        ...


class ObjectStore(Protocol):
    """Where contents of files are kept when not in Postgres. Names are SHA-256 digests in hexadecimal digits."""

    name: str

    def put(self, name: str, data: bytes) -> None:
        """Store an object, whole or not at all; one of that name is replaced by itself.

        Raises:
            StoreUnavailable: the store does not take it.
        """
        ...

    def get(self, name: str) -> bytes | None:
        """An object, or None."""
        ...

    def has(self, name: str) -> bool:
        """Whether an object is there."""
        ...

    def remove(self, name: str) -> None:
        """Remove an object, if it is there."""
        ...

    def older_than(self, age: timedelta) -> Iterator[str]:
        """Names of the objects that were put at least so long ago."""
        ...


@dataclass(frozen=True)
class Later:
    """A result that comes to be in the transaction that completes the syscall; `effect` does the work there."""

    effect: Callable[[Json], Json]


class Nested(Protocol):
    """What a tool may do with its agent's memory and files, within its own syscall and by the rules of those pools."""

    def now(self, pool: str, op: str, payload: JsonObject) -> Json:
        """Do it at once, in a transaction of its own: for reading."""
        ...

    def later(self, pool: str, op: str, payload: JsonObject) -> Later:
        """Check it at once, do it in the transaction that completes the syscall: for writing, which happens once."""
        ...


@dataclass(frozen=True)
class Copy:
    """A copy of a block of working memory: its JSON text at a version; None once the block is cleared."""

    version: int
    text: str | None
    pinned: bool = False


@dataclass(frozen=True)
class CacheState:
    """How full a namespace's part of the cache is, and how often it helped since it was last empty."""

    quota_bytes: int
    used_bytes: int = 0
    blocks: tuple[str, ...] = ()
    hits: int = 0
    misses: int = 0
    evicted: int = 0
    up: bool = True


class BlockCache(Protocol):
    """Copies of an agent's blocks, under a byte quota per namespace. Losing any of it, at any moment, loses nothing.

    What leaves when it is full: `aios.kernel.lru_k`. Nothing here raises: a cache that is away only never hits.
    """

    def get(self, namespace: str, name: str) -> Copy | None:
        """The copy that is held; asking counts as an access of the block, held or not."""
        ...

    def put(self, namespace: str, name: str, copy: Copy) -> bool:
        """Hold a copy unless a newer one is held; whether it is held now. One too large for what is free is not held."""
        ...

    def clear(self, namespace: str) -> None:
        """Hold nothing of a namespace."""
        ...

    def state(self, namespace: str) -> CacheState:
        """What is held."""
        ...


class ToolBox(Protocol):
    """The tools that are loaded."""

    def infos(self) -> Mapping[str, ToolInfo]:
        """What planning must know, by name."""
        ...

    def spec(self, name: str) -> ToolSpec:
        """What a model must know.

        Raises:
            UnknownTool: there is none.
        """
        ...

    def call(
        self, name: str, arguments: JsonObject, *, agent_id: UUID, seconds: float, nested: Nested | None = None
    ) -> Json | Later:
        """Validate the arguments, run the tool, give its JSON result, or what makes it.

        Raises:
            BadToolArguments: with a text that a model can repair its call from.
            ToolTimeout: it took too long.
            ToolFailed: it raised.
        """
        ...
