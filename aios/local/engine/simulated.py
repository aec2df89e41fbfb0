"""The simulated engine: the time a model server takes, without a model.

Time is prefill = prompt tokens / P and one decode step = alpha + beta x (sequences decoded together); at most `slots`
sequences are decoded together, the rest waits first come, first served. Text is token i = H(seed, prompt and all tokens
before i) over a small vocabulary: a lost, doubled or altered token changes everything after it. H runs over text, so a
prompt that ends with tokens generated before continues as the uninterrupted generation would.

A slice's tokens come from a hidden state instead, a chain of digests that its file holds. Tokens that are evaluated again
leave it as a real model's rounding does: sometimes as it was, sometimes not.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING

from aios.local.engine import packed, schema
from aios.local.engine.call import Token
from aios.local.engine.chain import END, VOCABULARY, Chain
from aios.local.engine.unmodelled import Unmodelled

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Sequence

    from aios.local.engine.call import Call
    from aios.local.engine.states import States


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """The timing model; `zero` leaves all waiting out.

    Attributes:
        prefill_ms: what a prompt takes whatever its length.
        steps_ms: a step's time with 1, 2, ... sequences, as measured; the line of the two constants goes on where they end.
    """

    slots: int = 4
    prefill_tokens_per_second: float = 20_000.0
    step_ms: float = 2.0
    step_per_sequence_ms: float = 0.1
    prefill_ms: float = 0.0
    steps_ms: tuple[float, ...] = ()
    zero: bool = False

    def prefill_seconds(self, tokens: int) -> float:
        """Time to read a prompt."""
        return self.prefill_ms / 1000 + tokens / self.prefill_tokens_per_second

    def step_seconds(self, sequences: int) -> float:
        """Time for one token of each of the sequences."""
        if 0 < sequences <= len(self.steps_ms):
            return self.steps_ms[sequences - 1] / 1000
        return (self.step_ms + self.step_per_sequence_ms * sequences) / 1000


@dataclass(slots=True, eq=False)
class _Sequence:
    """A call in the batcher; `steps` is released once for each token that it may emit."""

    prompt_tokens: int
    steps: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))


class Batcher:
    """The device: admits waiting sequences, and lets every admitted one advance by one token per step."""

    def __init__(self, *, timing: Timing) -> None:
        self._timing = timing
        self._waiting: list[_Sequence] = []
        self._running: list[_Sequence] = []
        self._loop: asyncio.Task[None] | None = None

    def queued(self) -> int:
        """Sequences without a slot."""
        return len(self._waiting)

    def enter(self, *, prompt_tokens: int) -> _Sequence:
        """Queue a sequence."""
        sequence = _Sequence(prompt_tokens)
        self._waiting.append(sequence)
        if self._loop is None or self._loop.done():
            self._loop = asyncio.create_task(self._run())
        return sequence

    def leave(self, sequence: _Sequence) -> None:
        """Free the place of a sequence that is done or whose client left."""
        for group in (self._waiting, self._running):
            if sequence in group:
                group.remove(sequence)

    async def _run(self) -> None:
        clock = asyncio.get_running_loop().time
        due = clock()
        while self._waiting or self._running:
            due += self._admit()
            due += self._timing.step_seconds(len(self._running))
            await asyncio.sleep(max(0.0, due - clock()))
            due = max(due, clock() - 0.1)  # after a stall of this process: catch up a little, not all at once
            for sequence in self._running:
                sequence.steps.release()

    def _admit(self) -> float:
        """Fill the free slots; the seconds of their prefill, which holds the device."""
        seconds = 0.0
        while self._waiting and len(self._running) < self._timing.slots:
            sequence = self._waiting.pop(0)
            self._running.append(sequence)
            seconds += self._timing.prefill_seconds(sequence.prompt_tokens)
        return seconds


class Simulated(Unmodelled):
    """The backend with the timing model.

    `answer_tokens` is the length at which an answer ends by itself; 0 leaves it to `max_new_tokens`.
    """

    def __init__(
        self, *, timing: Timing, context: int, seed: int = 0, answer_tokens: int = 0, states: States | None = None
    ) -> None:
        super().__init__(name="aios/simulated", context=context)
        self.states = states
        self._slices = Chain(states, seed=seed, answer_tokens=answer_tokens)
        self._timing = timing
        self._seed = seed
        self._answer_tokens = answer_tokens
        self._batcher = Batcher(timing=timing)

    def queued(self) -> int:
        """Calls that wait for a slot."""
        return self._batcher.queued()

    def generate(self, call: Call) -> AsyncGenerator[Sequence[Token], None]:
        """Start a generation."""
        return self._at_once(call) if self._timing.zero else self._in_time(call)

    async def _at_once(self, call: Call) -> AsyncGenerator[Sequence[Token], None]:
        yield list(self._tokens(call))

    async def _in_time(self, call: Call) -> AsyncGenerator[Sequence[Token], None]:
        restored = call.part is not None and call.part.state is not None
        sequence = self._batcher.enter(prompt_tokens=1 if restored else call.prompt.tokens)
        try:
            for token in self._tokens(call):
                await sequence.steps.acquire()
                yield (token,)
        finally:
            self._batcher.leave(sequence)

    def _tokens(self, call: Call) -> Iterator[Token]:
        if call.grammar is not None:
            return constrained(call)
        if call.part is not None:
            return self._slices.tokens(call, call.part)
        own = self._answer_tokens or call.max_new_tokens
        seed = self._seed if call.sampling.greedy else call.sampling.seed
        return babble(
            seed=seed, prompt=call.prompt.text, tokens=min(own, call.max_new_tokens), limit=call.max_new_tokens
        )


def babble(*, seed: int, prompt: str, tokens: int, limit: int) -> Iterator[Token]:
    """`tokens` tokens of deterministic text, and the end of the text if `limit` leaves room for it."""
    state = blake2b(f"{seed}:{prompt}".encode(), digest_size=8)
    for _ in range(tokens):
        token = VOCABULARY[state.copy().digest()[0] % len(VOCABULARY)]
        state.update(token.text.encode())
        yield token
    if tokens < limit:
        yield END


def constrained(call: Call) -> Iterator[Token]:
    """The smallest answer that fits the call's grammar."""
    assert call.grammar is not None
    yield from spell(schema.smallest(call.grammar.source), limit=call.max_new_tokens)


def spell(text: str, *, limit: int) -> Iterator[Token]:
    """A given text as at most `limit` tokens, the end of the text included."""
    parts = packed.split(text)
    for part in parts[:limit]:
        yield Token(packed.encode(part), part, -0.5)
    if len(parts) < limit:
        yield END
