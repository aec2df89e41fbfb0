"""The text of PDFs, read by a process of its own: whatever a PDF does to its reader, the worker goes on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from aios.kernel.values import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_SECONDS: Final = 20
MOST_PAGES: Final = 2000
_PATIENCE: Final = 3  # times its seconds: on a busy machine a process does not get all the time that passes
_MOST_BYTES: Final = 1 << 30  # of the reading process's memory
_MOST_CHARACTERS: Final = 2_000_000
_READER: Final = Path(__file__).with_name("pdf_pages.py")


class Pages(NamedTuple):
    """What could be read of a PDF.

    Attributes:
        texts: one for each page, from the first on.
        missing: why that is not all; empty: it is.
    """

    texts: Sequence[str]
    missing: str


def read(data: bytes, *, seconds: int = MOST_SECONDS, pages: int = MOST_PAGES) -> Pages:
    """The pages' texts, as many as can be had within the limits; no PDF is an error.

    Args:
        data: the PDF.
        seconds: of a processor that reading it may take.
        pages: how many are read.
    """
    limits, longest = map(str, (seconds, _MOST_BYTES, pages, _MOST_CHARACTERS)), _PATIENCE * seconds
    order = [sys.executable, "-I", str(_READER), *limits]
    try:
        done = subprocess.run(order, input=data, capture_output=True, timeout=longest, env={}, check=False)  # noqa: S603  # ours
        told = done.stdout
    except subprocess.TimeoutExpired as late:
        told = late.stdout or b""
    return _pages(told, seconds=seconds)


def _pages(told: bytes, *, seconds: int) -> Pages:
    """What the reader told; a line that it could not finish counts for nothing."""
    whole = [json.loads(line) for line in told.split(b"\n")[:-1]]
    texts = [clean(line) for line in whole if isinstance(line, str)]
    if not whole or isinstance(whole[-1], str):
        return Pages(texts, f"reading what follows page {len(texts)} takes more than {seconds} s or too much memory")
    missing = whole[-1]["missing"]
    if not missing and not any(text.strip() for text in texts):
        missing = "no text is on its pages; they may be pictures"
    return Pages(texts, missing)
