"""The log of engine calls: one JSON line as a call starts and one as it ends, whole even after a kill.

Tests read from it which syscall, under which claim, was generated when and how it ended.
"""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class CallLog:
    """Appends lines with one unbuffered write each (`O_APPEND`), so that several engines may share a file."""

    def __init__(self, *, path: Path | None) -> None:
        self._file = -1
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write(self, event: str, **fields: object) -> None:
        """Append one line; without a file nothing happens."""
        if self._file < 0:
            return
        line = {"event": event, "time": time.time(), "pid": os.getpid(), **fields}
        os.write(self._file, json.dumps(line, separators=(",", ":")).encode() + b"\n")

    @property
    def kept(self) -> bool:
        """Whether lines go anywhere."""
        return self._file >= 0

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
