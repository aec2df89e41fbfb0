"""Folders and private files below the data directory: made with the right modes, written whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from aios.errors import Misconfigured

if TYPE_CHECKING:
    from collections.abc import Iterator

_NEEDED_BYTES = 200_000_000


def prepare(data_dir: Path, *, needed_bytes: int = _NEEDED_BYTES) -> Path:
    """The data directory, made if need be, writable and with room for a start.

    Raises:
        Misconfigured: it cannot be made or written, or its disk is full.
    """
    with explained(data_dir):
        data_dir = data_dir.expanduser().resolve()
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=data_dir) as probe:
            probe.write(b"x" * 4096)
            probe.flush()
        free = shutil.disk_usage(data_dir).free
    if free < needed_bytes:
        raise Misconfigured(
            f"the disk of {data_dir} is full ({free // 1_000_000} MB free)",
            f"free {needed_bytes // 1_000_000} MB or choose another --data-dir",
        )
    return data_dir


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn the system's error about a folder into one that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Misconfigured(
                f"the disk of {path} is full", "free some space or choose another --data-dir"
            ) from error
        raise Misconfigured(
            f"the data directory {path} cannot be used ({error.strerror or error})", "choose another with --data-dir"
        ) from error


def write_private(path: Path, text: str) -> None:
    """Replace a file by one that only its owner reads; a crash leaves the old or the new one, never a part."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def read_json(path: Path) -> dict[str, object]:
    """The JSON object in a file; empty when the file is missing or torn."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def to_json(value: object) -> str:
    """The text of a file that `read_json` reads."""
    return json.dumps(value, indent=1) + "\n"
