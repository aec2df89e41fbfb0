"""Files by the open folder that they lie in: no path is followed, so nothing leads elsewhere meanwhile."""

from __future__ import annotations

import hashlib
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from aios.kernel.ids import new_token

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_ANYBODY: Final = 0o666  # less what the umask takes


class Mark(NamedTuple):
    """By what a file is known not to have been touched, without reading it."""

    inode: int
    size: int
    written_ns: int
    touched_ns: int


class Seen(NamedTuple):
    """A file as it was seen."""

    digest: str
    mark: Mark


def digest(data: bytes) -> str:
    """The name of a content, as the virtual tree has it."""
    return hashlib.sha256(data).hexdigest()


def status(folder: int, name: str) -> os.stat_result | None:
    """What a name stands for; None: nothing."""
    with suppress(FileNotFoundError):
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    return None


def mark(status: os.stat_result) -> Mark:
    """What would change if the file did."""
    return Mark(status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def unchanged(folder: int, name: str, seen: Seen | None) -> bool:
    """Whether a name stands for what was seen; None: for nothing."""
    now = status(folder, name)
    return (None if now is None else mark(now)) == (None if seen is None else seen.mark)


def read(folder: int, name: str, expected: Mark | None = None) -> bytes | None:
    """A file's bytes; None if it is not, or no longer, the one that is expected."""
    with os.fdopen(os.open(name, _READ, dir_fd=folder), "rb") as file:
        if expected is not None and mark(os.fstat(file.fileno())) != expected:
            return None
        data = file.read()
        return data if expected is None or mark(os.fstat(file.fileno())) == expected else None


@contextmanager
def made(scratch: int, data: bytes, *, mode: int | None) -> Iterator[str]:
    """The name of a new file with this content; unless it is renamed meanwhile it goes again.

    Args:
        scratch: the open folder in which it is made.
        data: its content.
        mode: its permissions; None: as the umask has them.
    """
    name = new_token().hex
    try:
        with os.fdopen(os.open(name, _CREATE, _ANYBODY, dir_fd=scratch), "wb") as file:
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())  # else a power failure may leave an empty file, which would be synced as such
        yield name
    finally:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=scratch)
