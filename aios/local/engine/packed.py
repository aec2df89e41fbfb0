"""The tokenizer of the backends without a model: reversible, stateless, quick.

A token is up to three printable ASCII characters (a space may lead), or any other single character. Its id holds its
text, so ids turn back into text without a vocabulary. Id 0 is the end of the text.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from aios.local.engine.call import Piece, Prompt

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

EOS_ID = 0
EOS_TEXT = "</s>"
_WIDE = 1 << 24  # ids of single characters start here; packed ASCII stays below it
_PATTERN = re.compile(r" [\x21-\x7e]{0,2}|[\x21-\x7e]{1,3}|.", re.DOTALL)


def split(text: str) -> list[str]:
    """The texts of the tokens; joined they give the text again."""
    return _PATTERN.findall(text)


@lru_cache(maxsize=65536)
def encode(piece: str) -> int:
    """The id of one token's text."""
    if piece.isascii() and piece != "\0":
        return int.from_bytes(piece.encode("ascii"), "big")
    return _WIDE + ord(piece)


def decode(token_id: int) -> str:
    """The text of an id; the end of the text is empty."""
    if token_id >= _WIDE:
        return chr(token_id - _WIDE)
    return token_id.to_bytes(3, "big").lstrip(b"\0").decode("ascii")


def pieces(text: str) -> list[Piece]:
    """The tokens of a text with their offsets."""
    found: list[Piece] = []
    at = 0
    for part in split(text):
        found.append(Piece(encode(part), part, at, at + len(part)))
        at += len(part)
    return found


def prompt(text: str, *, truncate: int | None) -> Prompt:
    """A text as a prompt, of its last `truncate` tokens at most."""
    parts = split(text)
    if truncate is not None and truncate < len(parts):
        parts = parts[-truncate:]
        text = "".join(parts)
    return Prompt(text, len(parts))


def join(ids: Iterable[int]) -> str:
    """The text of ids."""
    return "".join(decode(token_id) for token_id in ids)


def chat_prompt(turns: Sequence[tuple[str, str]]) -> str:
    """A conversation of (role, text) turns in ChatML, ready for the assistant's turn."""
    lines = [f"<|im_start|>{role}\n{text}<|im_end|>\n" for role, text in turns]
    return "".join(lines) + "<|im_start|>assistant\n"
