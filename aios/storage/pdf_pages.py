"""The process that reads one PDF: its pages' texts, a line of JSON each, and at the end why some are missing.

It runs alone, as a script without the rest of the library, and limits itself first: a PDF can be made to need any amount
of time or memory. What was printed until a limit ends it stays valid.
"""

from __future__ import annotations

import io
import json
import logging
import resource
import sys

from pypdf import PdfReader
from pypdf.errors import DependencyError, FileNotDecryptedError


def main() -> None:
    """Read the PDF from standard input, within the limits that are the arguments."""
    seconds, size, pages, characters = map(int, sys.argv[1:])
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    logging.disable()
    try:
        _tell({"missing": _read(sys.stdin.buffer.read(), pages=pages, characters=characters)})
    except (FileNotDecryptedError, DependencyError):
        _tell({"missing": "it is encrypted"})
    except Exception as error:  # noqa: BLE001  # a boundary: what a broken PDF raises is anything
        _tell({"missing": f"it is broken ({_short(error)})"})


def _read(data: bytes, *, pages: int, characters: int) -> str:
    """Tell each page; gives what is missing, or nothing."""
    missing = ""
    for number, page in enumerate(PdfReader(io.BytesIO(data)).pages, start=1):
        if number > pages or characters <= 0:
            return f"what follows page {number - 1} is too much"
        try:
            text = page.extract_text().strip()[:characters]
        except (FileNotDecryptedError, DependencyError, MemoryError):
            raise
        except Exception as error:  # noqa: BLE001  # as in main, but the other pages may be whole
            text, missing = "", missing or f"page {number} is broken ({_short(error)})"
        characters -= len(text)
        _tell(text)
    return missing


def _short(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


def _tell(value: object) -> None:
    print(json.dumps(value), flush=True)  # noqa: T201  # its answer


if __name__ == "__main__":
    main()
