"""What the two backends without a model have in common: the packed tokenizer and a plain chat template."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aios.local.engine import packed, schema
from aios.local.engine.backend import Model

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aios.local.engine.call import Grammar, Piece, Prompt
    from aios.local.engine.states import States


class Unmodelled:
    """The part of the port `Backend` that needs no model."""

    def __init__(self, *, name: str, context: int) -> None:
        self.model = Model(id=name, sha=None, max_total_tokens=context)
        self.states: States | None = None

    async def start(self) -> None:
        """Nothing to load."""

    async def stop(self) -> None:
        """Nothing to release."""

    async def prompt(self, text: str, *, add_special: bool = True, truncate: int | None = None) -> Prompt:
        """A text as a prompt, of its last `truncate` tokens at most; there are no special tokens to add."""
        del add_special
        return packed.prompt(text, truncate=truncate)

    async def tokenize(self, text: str, *, add_special: bool = True) -> Sequence[Piece]:
        """The tokens of a text."""
        del add_special
        return packed.pieces(text)

    async def detokenize(self, ids: Sequence[int]) -> str:
        """The text of token ids."""
        return packed.join(ids)

    async def template(self, messages: Sequence[Mapping[str, object]]) -> str:
        """A conversation in ChatML."""
        return packed.chat_prompt([(str(m["role"]), str(m.get("content") or "")) for m in messages])

    async def check_grammar(self, grammar: Grammar) -> str | None:
        """JSON schemas of the common sort are kept to; regular expressions are not."""
        if grammar.kind == "regex":
            return "regular expressions need an engine with a model"
        return schema.problem(grammar.source)
