"""The key that signs share links: from the settings, or made once and kept in the data directory."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from aios.errors import Misconfigured

if TYPE_CHECKING:
    from pathlib import Path

FILE: Final = "share.key"
_FEWEST: Final = 32


def load(given: str, data_dir: Path) -> bytes:
    """The key; every process of a system must have the same one.

    Args:
        given: from the settings; empty: the file in `data_dir`, which is made if it is not there.
        data_dir: of the system.

    Raises:
        Misconfigured: it is too short to be a secret, or the file cannot be made.
    """
    key = given.encode() if given else _kept(data_dir / FILE)
    if len(key) < _FEWEST:
        raise Misconfigured(f"the key of share links has {len(key)} characters", f"give {_FEWEST} or more random ones")
    return key


def _kept(file: Path) -> bytes:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            made = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
            with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as output:
                output.write(secrets.token_hex(32))
            with suppress(FileExistsError):  # another process was quicker: its key is the one
                os.link(made, file)
            made.unlink()
        return file.read_bytes().strip()
    except OSError as error:
        raise Misconfigured(f"{file}: {error}", "make the data directory writable, or set storage.share_key") from error
