"""Fakes of the kernel's ports, for tests of ours and yours. Each passes the contract tests of the real thing."""

from __future__ import annotations

import asyncio
import hashlib
import math
import re
from typing import TYPE_CHECKING, Literal

from aios.errors import AiosError, BadToolArguments, ToolFailed, ToolTimeout, UnknownTool, did_you_mean
from aios.kernel.chat import ToolCall, ToolSpec, Usage
from aios.kernel.plan import ToolInfo
from aios.kernel.ports import CoreInfo, Finish, Token
from aios.kernel.values import canonical
from aios.kernel.words import Effect

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
    from uuid import UUID

    from aios.kernel.ports import Prompt
    from aios.kernel.values import Json, JsonObject


class FakeEmbedder:
    """An `Embedder` whose vectors a test may choose; other texts get one of their own, near no other.

    Attributes:
        asked: every text that was embedded, in order.
    """

    def __init__(
        self, vectors: Mapping[str, Sequence[float]] | None = None, *, name: str = "fake", dimensions: int = 384
    ) -> None:
        """Vectors may be shorter than `dimensions` and of any length but 0."""
        self.name = name
        self.dimensions = dimensions
        self.asked: list[str] = []
        self._vectors = dict(vectors or {})

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One unit vector per text."""
        self.asked += texts
        return [self._unit(self._vectors.get(text) or self._own(text)) for text in texts]

    def _own(self, text: str) -> list[float]:
        stream = hashlib.shake_256(text.encode()).digest(self.dimensions)
        return [byte - 127.5 for byte in stream]

    def _unit(self, vector: Sequence[float]) -> list[float]:
        length = math.hypot(*vector)
        return [value / length for value in vector] + [0.0] * (self.dimensions - len(vector))


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

    def call(self, name: str, arguments: JsonObject, *, agent_id: UUID, seconds: float) -> Json:
        """Call the function, if it has exactly these parameters or defaults for them."""
        del agent_id
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


Said = str | ToolCall | AiosError
"""What a fake core answers: words, a tool call, or an error."""


class FakeDriver:
    """A `Driver` without a core: it says what `answer` makes of a prompt, a word or a space per token.

    Attributes:
        asked: every prompt, in order.
        open: generations under way.
        token_seconds: time before each token.
    """

    resume: Literal["kv", "rerun", "none"] = "rerun"

    def __init__(
        self, answer: Callable[[Prompt], Said] | Said = "ok", *, token_seconds: float = 0.0, name: str = "fake"
    ) -> None:
        self.name = name
        self.asked: list[Prompt] = []
        self.open = 0
        self.token_seconds = token_seconds
        self._answer = answer

    async def generate(self, prompt: Prompt) -> AsyncGenerator[Token | Finish, None]:
        """Tokens as they come, then one `Finish`."""
        self.asked.append(prompt)
        said = self._answer(prompt) if callable(self._answer) else self._answer
        if isinstance(said, AiosError):
            raise said
        self.open += 1
        try:
            words = re.findall(r"\s|\S+", said) if isinstance(said, str) else [said.name]
            limit = prompt.sampling.max_tokens or len(words)
            tokens = [Token(i, _word_id(word), word) for i, word in enumerate(words[:limit], start=1)]
            for token in tokens:
                await asyncio.sleep(self.token_seconds)
                yield token
            yield _finish(said, tokens, cut=limit < len(words))
        finally:
            self.open -= 1

    async def info(self) -> CoreInfo:
        """What the core says of itself."""
        return CoreInfo(model="fake-model", max_total_tokens=2048, max_concurrent=4)

    async def healthy(self) -> bool:
        """Always."""
        return True

    async def aclose(self) -> None:
        """Nothing to close."""


class FakeSink:
    """A `TokenSink` in memory. A stale attempt adds nothing, as in Redis.

    Attributes:
        tokens: by syscall and attempt, what was pushed.
        ends: by syscall and attempt, the reason.
        failure: raised by every call, if a test sets it.
    """

    def __init__(self) -> None:
        self.tokens: dict[tuple[UUID, int], list[Token]] = {}
        self.ends: dict[tuple[UUID, int], str] = {}
        self.failure: AiosError | None = None

    def push(self, syscall: UUID, attempt: int, tokens: Sequence[Token]) -> None:
        """Append tokens."""
        if self.failure is not None:
            raise self.failure
        if all(known <= attempt for other, known in self.tokens if other == syscall):
            self.tokens.setdefault((syscall, attempt), []).extend(tokens)

    def end(self, syscall: UUID, attempt: int, reason: str, tokens: Sequence[Token] = ()) -> None:
        """Append the last tokens and mark the end of an attempt."""
        self.push(syscall, attempt, tokens)
        self.ends[syscall, attempt] = reason


def _word_id(word: str) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=3).digest(), "big")


def _finish(said: str | ToolCall, tokens: Sequence[Token], *, cut: bool) -> Finish:
    return Finish(
        text="".join(t.text for t in tokens) if isinstance(said, str) else "",
        reason="length" if cut else "stop",
        usage=Usage(prompt_tokens=1, completion_tokens=len(tokens)),
        tool_calls=() if isinstance(said, str) else (said,),
        token_ids=tuple(t.id for t in tokens),
    )
