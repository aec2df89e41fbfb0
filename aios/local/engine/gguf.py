"""Reads the vocabulary of a GGUF model file: which bytes each token id stands for, and which ids are control tokens.

Needed because llama.cpp's stream leaves out the ids of tokens that end inside a UTF-8 character.
Source: the GGUF specification in ggml's documentation (docs/gguf.md).
"""

from __future__ import annotations

import mmap
import re
import struct
from typing import TYPE_CHECKING, NamedTuple, cast

from aios.errors import Misconfigured

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

REMEDY = "name a whole GGUF file by --model-path or AIOS_ENGINE_MODEL"
"""What to do about a model that cannot be loaded."""

_MAGIC = b"GGUF"
_STRING, _ARRAY = 8, 9
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_CONTROL = 3  # token types
_BYTE_TOKEN = re.compile(r"<0x([0-9A-F]{2})>")
_UNREADABLE = (
    ValueError,
    KeyError,
    TypeError,
    struct.error,
    OverflowError,
    MemoryError,
)  # what a spoilt file makes of reading
_LONGEST = 8  # bytes; an incomplete character with what may stand before it in one token


class Vocabulary(NamedTuple):
    """Token texts by id, and the ids that are no text."""

    pieces: list[bytes]
    control: frozenset[int]
    ids: dict[bytes, int]

    def text(self, token_id: int) -> str:
        """A token's text; incomplete characters are shown as such."""
        return self.pieces[token_id].decode(errors="replace")

    def spell(self, text: bytes, *, tokens: int) -> list[int] | None:
        """Ids of exactly so many tokens whose bytes are `text`, longest first; `None` if there are none."""
        if tokens == 0:
            return None if text else []
        for length in range(min(_LONGEST, len(text)), 0, -1):
            first = self.ids.get(text[:length])
            if first is None:
                continue
            rest = self.spell(text[length:], tokens=tokens - 1)
            if rest is not None:
                return [first, *rest]
        return None


def vocabulary(path: Path) -> Vocabulary:
    """The vocabulary of a model file.

    Raises:
        Misconfigured: it is no GGUF file, or not all of one, or holds no vocabulary.
    """
    try:
        return _read(path)
    except (*_UNREADABLE, OSError) as error:
        raise Misconfigured(f"{path} is no GGUF model that can be read ({error})", REMEDY) from error


def _read(path: Path) -> Vocabulary:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if data[:4] != _MAGIC:
            raise ValueError("it does not begin with GGUF")
        fields = _Reader(data).fields({"tokenizer.ggml.tokens", "tokenizer.ggml.token_type", "tokenizer.ggml.model"})
    if "tokenizer.ggml.tokens" not in fields:
        raise ValueError("it holds no vocabulary")
    names = cast("list[bytes]", fields["tokenizer.ggml.tokens"])
    kinds = cast("list[int]", fields.get("tokenizer.ggml.token_type", []))
    to_bytes = _byte_level if fields.get("tokenizer.ggml.model") == b"gpt2" else _sentence_piece
    control = frozenset(i for i, kind in enumerate(kinds) if kind == _CONTROL)
    pieces = [name if i in control else to_bytes(name.decode()) for i, name in enumerate(names)]
    ids = {piece: i for i, piece in enumerate(pieces) if len(piece) <= _LONGEST and i not in control}
    return Vocabulary(pieces, control, ids)


class _Reader:
    """Walks over the key-value pairs of a file's head."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._at = 8  # after magic and version

    def fields(self, wanted: set[str]) -> dict[str, object]:
        self._number("Q")  # tensors
        found: dict[str, object] = {}
        for _ in range(self._number("Q")):
            key = self._string().decode()
            value = self._value(self._number("I"))
            if key in wanted:
                found[key] = value
        return found

    def _number(self, code: str) -> int:
        (number,) = struct.unpack_from("<" + code, self._data, self._at)
        self._at += struct.calcsize(code)
        return int(number)

    def _string(self) -> bytes:
        length = self._number("Q")
        start, self._at = self._at, self._at + length
        if self._at > len(self._data):
            raise ValueError("it ends in the middle of a text")
        return self._data[start : self._at]

    def _value(self, kind: int) -> object:
        if kind == _STRING:
            return self._string()
        if kind == _ARRAY:
            element = self._number("I")
            return self._array(element, self._number("Q"))
        return self._number(_SCALARS[kind])

    def _array(self, kind: int, length: int) -> object:
        if kind in (_STRING, _ARRAY):
            read: Callable[[], object] = self._string if kind == _STRING else lambda: self._value(_ARRAY)
            return [read() for _ in range(length)]
        code = f"<{length}{_SCALARS[kind]}"
        values = struct.unpack_from(code, self._data, self._at)
        self._at += struct.calcsize(code)
        return list(values)


def _printable() -> dict[str, int]:
    """GPT-2's spelling of bytes: printable Latin-1 as itself, the rest from U+0100 on."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(b): b for b in plain} | {chr(256 + i): b for i, b in enumerate(others)}


_BYTES = _printable()


def _byte_level(name: str) -> bytes:
    if all(character in _BYTES for character in name):
        return bytes(_BYTES[character] for character in name)
    return name.encode()


def _sentence_piece(name: str) -> bytes:
    single = _BYTE_TOKEN.fullmatch(name)
    if single:
        return bytes([int(single[1], 16)])
    return name.replace("\u2581", " ").encode()
