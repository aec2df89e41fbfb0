"""What kind of content a file has, by its name and its bytes. Pure."""

from __future__ import annotations

import mimetypes
from typing import Final

TEXT: Final = "text/plain"
BINARY: Final = "application/octet-stream"
MARKDOWN: Final = "text/markdown"
HTML: Final = "text/html"
CSV: Final = "text/csv"
JSON: Final = "application/json"
PDF: Final = "application/pdf"

_TEXTS: Final = frozenset({TEXT, MARKDOWN, HTML, CSV, JSON})
SEARCHED: Final = _TEXTS | {PDF}
"""Kinds that are cut into chunks and found by search; others are stored only."""

_CONTINUATION: Final = 0b10
_PDF_BEGINS: Final = b"%PDF-"
_PDF_BEGINS_WITHIN: Final = 1024  # some programs write a few lines of their own before it, and every reader skips them
_BY_SUFFIX: Final = {
    ".md": MARKDOWN,
    ".markdown": MARKDOWN,
    ".html": HTML,
    ".htm": HTML,
    ".xhtml": HTML,
    ".csv": CSV,
    ".tsv": CSV,
    ".json": JSON,
    ".jsonl": TEXT,
}


def media_type(path: str, data: bytes) -> str:
    """A file's media type: what is no UTF-8 is binary whatever its name says, and text of an unknown kind is plain text.

    A PDF is one by its name and its first bytes; it may happen to be UTF-8.
    """
    name = path.rpartition("/")[2].lower()
    suffix = name[name.rfind(".") :] if "." in name else ""
    guessed = _BY_SUFFIX.get(suffix) or mimetypes.guess_type(name, strict=True)[0]
    if guessed == PDF and _PDF_BEGINS in data[:_PDF_BEGINS_WITHIN]:
        return PDF
    if not _is_text(data):
        return guessed if guessed and guessed not in SEARCHED and not guessed.startswith("text/") else BINARY
    return guessed if guessed in _TEXTS else TEXT


def window(data: bytes, *, start: int, length: int | None) -> tuple[int, int]:
    """The part of a text from byte `start` on, as its first byte and the one behind its last, with no character cut.

    Pages read one after the other, each from where the last one ended, give the whole text.
    """
    start = min(start, len(data))
    while start > 0 and start < len(data) and _continues(data[start]):
        start -= 1
    end = len(data) if length is None else min(len(data), start + length)
    while start < end < len(data) and _continues(data[end]):
        end -= 1
    if end == start < len(data) and length:  # shorter than one character: that one
        end = start + 1
        while end < len(data) and _continues(data[end]):
            end += 1
    return start, end


def _is_text(data: bytes) -> bool:
    try:
        return "\x00" not in data.decode()
    except UnicodeDecodeError:
        return False


def _continues(byte: int) -> bool:
    return byte >> 6 == _CONTINUATION  # UTF-8: every byte of a character but its first begins with these bits
