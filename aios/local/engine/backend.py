"""The port between the router and what produces tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

    from aios.local.engine.call import Call, Grammar, Piece, Prompt, Token
    from aios.local.engine.states import States


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What `/info` says of the model."""

    id: str
    sha: str | None
    max_total_tokens: int


class Backend(Protocol):
    """Produces tokens for validated calls; every method but `generate` is quick.

    `generate` returns a generator of batches of tokens. It ends with a special token (the end of the text) or after
    `max_new_tokens`; closing it frees what the call held. A call that is a slice (`part`) saves its state after its last
    token. A refusal before the first token is raised by the call of `generate` itself, one in the middle by the generator.

    Attributes:
        model: what it serves.
        states: where it keeps KV states; None: it cannot, or is not to.
    """

    model: Model
    states: States | None

    async def start(self) -> None:
        """Load what is needed; the engine listens after it."""

    async def stop(self) -> None:
        """Release everything."""

    async def prompt(self, text: str, *, add_special: bool = True, truncate: int | None = None) -> Prompt:
        """A text as a prompt, of its last `truncate` tokens at most."""

    async def tokenize(self, text: str, *, add_special: bool = True) -> Sequence[Piece]:
        """The tokens of a text."""

    async def detokenize(self, ids: Sequence[int]) -> str:
        """The text of token ids."""

    async def template(self, messages: Sequence[Mapping[str, object]]) -> str:
        """The prompt of a conversation, ready for the assistant's turn."""

    async def check_grammar(self, grammar: Grammar) -> str | None:
        """Why this backend cannot keep to a grammar; `None` when it can."""

    def generate(self, call: Call) -> AsyncGenerator[Sequence[Token], None]:
        """Start a generation."""

    def queued(self) -> int:
        """Calls that wait for a slot."""
