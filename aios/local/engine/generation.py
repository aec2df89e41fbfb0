"""One running generation: TGI's rules for when it ends, and what is known of it at its end."""

from __future__ import annotations

from contextlib import aclosing
from time import perf_counter
from typing import TYPE_CHECKING, Literal

from aios.local.engine.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from aios.local.engine.call import Call, Token

Finish = Literal["length", "eos_token", "stop_sequence"]


class Generation:
    """Passes a backend's tokens on until the first rule says stop; then `finish` is set and the backend is closed.

    Of a slice the backend is not closed: it has a state to save, and ends by itself.
    """

    def __init__(self, *, call: Call, source: AsyncGenerator[Sequence[Token], None]) -> None:
        self.call = call
        self.tokens: list[Token] = []
        self.finish: Finish | None = None
        self.admitted_at: float | None = None
        self._source = source
        self._tail = ""
        self._tail_length = max((len(s) for s in call.stop), default=0)

    @property
    def text(self) -> str:
        """The text so far, without special tokens."""
        return "".join(token.text for token in self.tokens if not token.special)

    @property
    def seed(self) -> int | None:
        """The seed that was used; `None` for greedy."""
        return None if self.call.sampling.greedy else self.call.sampling.seed

    @property
    def logprob(self) -> float:
        """The mean log probability: what `best_of` compares."""
        known = [token.logprob for token in self.tokens if token.logprob is not None]
        return sum(known) / len(known) if known else float("-inf")

    async def batches(self) -> AsyncGenerator[list[Token], None]:
        """The tokens, in the batches in which they came.

        Raises:
            Refusal: the backend failed, or ended without a reason.
        """
        async with aclosing(self._source) as source:
            async for batch in source:
                self.admitted_at = self.admitted_at or perf_counter()
                taken = self._take(batch)
                if taken:
                    yield taken
                if self.finish is not None and self.call.part is None:
                    return
        if self.finish is None:
            raise Refusal("incomplete_generation", "Incomplete generation")

    async def run(self) -> Generation:
        """All tokens at once."""
        async with aclosing(self.batches()) as batches:
            async for _ in batches:
                pass
        return self

    def _take(self, batch: Sequence[Token]) -> list[Token]:
        taken: list[Token] = []
        for token in batch if self.finish is None else ():
            taken.append(token)
            self.tokens.append(token)
            self.finish = self._rule(token)
            if self.finish is not None:
                break
        return taken

    def _rule(self, token: Token) -> Finish | None:
        """TGI's order: the length first, then the end of the text, then stop strings at a token's end."""
        if len(self.tokens) >= self.call.max_new_tokens:
            return "length"
        if token.special:
            return "eos_token"
        if self._tail_length:
            self._tail = (self._tail + token.text)[-self._tail_length :]
            if self._tail.endswith(self.call.stop):
                return "stop_sequence"
        return None
