"""A fake of the `Driver` port."""

from __future__ import annotations

import asyncio
import hashlib
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from aios.errors import AiosError, EngineRefused, StateLost
from aios.kernel.chat import ToolCall, Usage
from aios.kernel.ports import Boundary, CoreInfo, Finish, Token
from aios.kernel.slices import Partial, seed_at

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from aios.kernel.ports import Prompt
    from aios.kernel.slices import Slicing
    from aios.kernel.values import JsonObject


Said = str | ToolCall | AiosError
"""What a fake core answers: words, a tool call, or an error."""


class FakeDriver:
    """A `Driver` without a core: it says what `answer` makes of a prompt, a word or a space per token.

    Attributes:
        asked: every prompt, in order.
        open: generations under way.
        token_seconds: time before each token.
        window_tokens: what prompt and reply may have together; more is refused, as engines do.
        resume: with `kv` it keeps states, and answers in slices where it is asked to.
        states: those that it keeps, by id: how many words it had said.
    """

    def __init__(
        self,
        answer: Callable[[Prompt], Said] | Said = "ok",
        *,
        token_seconds: float = 0.0,
        name: str = "fake",
        window_tokens: int = 2048,
        resume: Literal["kv", "rerun", "none"] = "rerun",
    ) -> None:
        self.name = name
        self.resume = resume
        self.states: dict[str, int] = {}
        self.asked: list[Prompt] = []
        self.open = 0
        self.token_seconds = token_seconds
        self.window_tokens = window_tokens
        self._answer = answer

    async def generate(self, prompt: Prompt) -> AsyncGenerator[Token | Boundary | Finish, None]:
        """Tokens as they come, then one `Finish`; a `Boundary` after each slice."""
        self.asked.append(prompt)
        needed = await self.count(prompt) + (prompt.sampling.max_tokens or 1)
        if needed > self.window_tokens:
            raise EngineRefused(self.name, "validation", f"{needed} tokens are more than {self.window_tokens}")
        said = self._answer(prompt) if callable(self._answer) else self._answer
        if isinstance(said, AiosError):
            raise said
        self.open += 1
        try:
            words = _pieces(said) if isinstance(said, str) else [said.name]
            limit = prompt.sampling.max_tokens or len(words)
            tokens = [Token(i, _word_id(word), word) for i, word in enumerate(words[:limit], start=1)]
            said_before = self._goes_on(prompt.slicing)
            slicing = prompt.slicing if self.resume == "kv" else None
            for token in tokens:
                await asyncio.sleep(self.token_seconds if token.index > said_before else 0)
                yield token
                if slicing and said_before < token.index < len(tokens) and token.index % slicing.tokens == 0:
                    yield self._boundary(tokens[: token.index], slicing)
            yield replace(_finish(said, tokens, cut=limit < len(words)), resume="kv" if slicing else "rerun")
        finally:
            self.open -= 1

    def _goes_on(self, slicing: Slicing | None) -> int:
        done = slicing.done if slicing else None
        if done is None:
            return 0
        if self.resume != "kv" or done.state is None or self.states.get(done.state["id"]) != len(done.tokens):
            raise StateLost(self.name, "no such state")
        return len(done.tokens)

    def _boundary(self, tokens: Sequence[Token], slicing: Slicing) -> Boundary:
        name = f"state-{len(self.states) + 1}"
        self.states[name] = len(tokens)
        number = len(tokens) // slicing.tokens
        return Boundary(
            Partial(number, tuple(tokens), {"id": name, "digest": "x"}),
            fresh=slicing.tokens,
            seed=seed_at(slicing.seed, len(tokens) - slicing.tokens),
        )

    async def forget(self, state: JsonObject) -> None:
        """Delete a state."""
        self.states.pop(state["id"], None)

    async def info(self) -> CoreInfo:
        """What the core says of itself."""
        return CoreInfo(model="fake-model", max_total_tokens=self.window_tokens, max_concurrent=4, resume=self.resume)

    async def count(self, prompt: Prompt) -> int:
        """A token per word or space, three per message, ten per tool."""
        texts = [prompt.text] if prompt.text is not None else [str(m.get("content") or "") for m in prompt.messages]
        return sum(len(_pieces(text)) + 3 for text in texts) + 10 * len(prompt.tools)

    async def healthy(self) -> bool:
        """Always."""
        return True

    async def aclose(self) -> None:
        """Nothing to close."""


def _pieces(text: str) -> list[str]:
    return re.findall(r"\s|\S+", text)


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
