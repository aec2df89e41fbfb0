"""The host's side of a mount: one folder, never left, whatever a name or a symbolic link says.

Every file is reached from the open folder, name by name, without following links. What is written over or removed must
still be what was seen, so that nobody's change is lost; only one in the microseconds between that check and the rename
goes unnoticed, since no system call does both at once.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from aios.errors import InvalidArgument, PathDenied
from aios.kernel.mirroring import beside
from aios.sdk.mount import opened
from aios.sdk.mount.opened import Seen
from aios.sdk.mount.record import HIDDEN, STATE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime, timedelta
    from pathlib import Path


@dataclass(frozen=True)
class Look:
    """What is in the folder.

    Attributes:
        files: by their paths below it.
        waiting: what somebody is writing just now.
        left: what cannot be kept the same, and why; a folder stands for all that is in it.
    """

    files: dict[str, Seen] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)
    left: dict[str, str] = field(default_factory=dict)


class Host:
    """One folder of this machine. An operation does nothing, and says so, if its file is no longer what was seen."""

    def __init__(self, root: Path, *, longest: int, settle: timedelta) -> None:
        """Open it, and keep other mounts out.

        Args:
            root: the folder.
            longest: bytes of the longest file that is synced.
            settle: a file that was written within this time is being written.

        Raises:
            InvalidArgument: it cannot be used, or another mount has it.
        """
        self.path = root
        self._longest = longest
        self._settle_seconds = settle.total_seconds()
        self._known: dict[str, Seen] = {}  # files that were read when nobody wrote them any more
        self._written: dict[str, Seen] = {}  # files that came from there a moment ago
        try:
            self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise InvalidArgument("folder", str(root), f"it cannot be opened ({error.strerror})") from error
        try:
            self.scratch = self._own_folder()
        except OSError as error:
            os.close(self._root)
            taken = isinstance(error, BlockingIOError)
            why = "another mount keeps it; stop that one first" if taken else f"it cannot be used ({error.strerror})"
            raise InvalidArgument("folder", str(root), why) from error

    def look(self) -> Look:
        """See what there is.

        Raises:
            InvalidArgument: the folder is gone or cannot be read; nobody means to delete all files by that.
        """
        found = Look()
        try:
            folders = self._list("", found)
            if not os.path.samestat(self.path.stat(), os.fstat(self._root)):
                raise FileNotFoundError(errno.ENOENT, "another folder is there")
        except OSError as error:
            remedy = f"it is no longer what it was ({error.strerror}); mount it again when it is back"
            raise InvalidArgument("folder", str(self.path), remedy) from error
        while folders:
            folder = folders.pop()
            try:
                folders += self._list(folder, found)
            except FileNotFoundError:
                found.waiting.add(folder)
            except OSError as error:
                found.left[folder] = error.strerror or str(error)
        for kept in (self._known, self._written):
            for path in kept.keys() - found.files.keys():
                del kept[path]
        return found

    def read(self, path: str, seen: Seen) -> bytes | None:
        """A file's bytes; None if it is no longer what was seen."""
        with self._within(path) as (folder, name):
            data = opened.read(folder, name, seen.mark)
        return data if data is not None and opened.digest(data) == seen.digest else None

    def write(self, path: str, data: bytes, *, over: Seen | None) -> bool:
        """Have a file with this content, at once; False, and nothing, if something else than `over` is there.

        Raises:
            IsADirectoryError: a folder is.
        """
        with self._within(path, make=True) as (folder, name):
            before = opened.status(folder, name)
            if before is not None and stat.S_ISDIR(before.st_mode):
                raise IsADirectoryError(
                    errno.EISDIR, "there is a folder of this name on this machine; rename one of them"
                )
            mode = None if before is None else stat.S_IMODE(before.st_mode)
            with opened.made(self.scratch, data, mode=mode) as temporary:
                if not opened.unchanged(folder, name, over):
                    return False
                os.rename(temporary, name, src_dir_fd=self.scratch, dst_dir_fd=folder)
            mark = opened.mark(os.stat(name, dir_fd=folder, follow_symlinks=False))
        self._written[path] = Seen(opened.digest(data), mark)
        return True

    def delete(self, path: str, seen: Seen) -> bool:
        """Remove a file, and the folders that are empty then; False if it is no longer what was seen."""
        with self._within(path) as (folder, name):
            if not opened.unchanged(folder, name, seen):
                return False
            os.unlink(name, dir_fd=folder)
        with suppress(OSError):  # the first one that is not empty ends it
            while "/" in path:
                path = path.rpartition("/")[0]
                with self._within(path) as (folder, name):
                    os.rmdir(name, dir_fd=folder)
        return True

    def set_aside(self, path: str, seen: Seen, *, at: datetime) -> str | None:
        """Give a file a name of its own beside; gives its new path, None if it is no longer what was seen."""
        with self._within(path) as (folder, name):
            if not opened.unchanged(folder, name, seen):
                return None
            free = next(other for other in beside(name, at) if opened.status(folder, other) is None)
            os.rename(name, free, src_dir_fd=folder, dst_dir_fd=folder)
        return path.removesuffix(name) + free

    def close(self) -> None:
        """Let others have the folder."""
        os.close(self.scratch)
        os.close(self._root)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _own_folder(self) -> int:
        """The hidden folder, open and locked; files that a killed mount was making are removed from it."""
        with suppress(FileExistsError):
            os.mkdir(HIDDEN, 0o700, dir_fd=self._root)
        hidden = os.open(HIDDEN, opened.FOLDER, dir_fd=self._root)
        try:
            fcntl.flock(hidden, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for name in os.listdir(hidden):  # noqa: PTH208  # an open folder has no path
                if name != STATE:
                    os.unlink(name, dir_fd=hidden)
        except OSError:
            os.close(hidden)
            raise
        return hidden

    def _list(self, folder: str, found: Look) -> list[str]:
        """See what is in a folder; gives the folders in it."""
        inner = []
        with self._open(folder) as here:
            for name in os.listdir(here):  # noqa: PTH208  # an open folder has no path
                path = f"{folder}/{name}" if folder else name
                try:
                    if name != HIDDEN and self._see(here, name, path, found):
                        inner.append(path)
                except FileNotFoundError:
                    found.waiting.add(path)
                except OSError as error:
                    found.left[path] = error.strerror or str(error)
        return inner

    def _see(self, folder: int, name: str, path: str, found: Look) -> bool:
        """See one thing; whether it is a folder."""
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            return True
        if stat.S_ISLNK(status.st_mode):
            found.left[path] = "it is a symbolic link, which is not followed"
        elif not stat.S_ISREG(status.st_mode):
            found.left[path] = "it is neither a file nor a folder"
        elif status.st_size > self._longest:
            found.left[path] = f"it has {status.st_size} bytes, and a file has at most {self._longest}"
        elif (seen := self._seen(folder, name, path, opened.mark(status))) is None:
            found.waiting.add(path)
        else:
            found.files[path] = seen
        return False

    def _seen(self, folder: int, name: str, path: str, mark: opened.Mark) -> Seen | None:
        """What a file is; None while somebody writes it.

        A file that was written a moment ago may be written again without its mark changing: it is read only when it is
        older, but for one that the mount itself has written.
        """
        young = 0 <= time.time() - mark.written_ns / 1e9 < self._settle_seconds
        before = (self._written if young else self._known).get(path)
        if before is not None and before.mark == mark:
            return before
        data = None if young else opened.read(folder, name, mark)
        if data is None:
            return None
        self._known[path] = Seen(opened.digest(data), mark)
        return self._known[path]

    @contextmanager
    def _within(self, path: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
        """The open folder that a path lies in, and the path's last name."""
        if any(name in {"", ".", "..", HIDDEN} for name in path.split("/")):
            raise PathDenied(path, "no file of this name is kept in a mounted folder")
        above, _, last = path.rpartition("/")
        with self._open(above, make=make) as folder:
            yield folder, last

    @contextmanager
    def _open(self, path: str, *, make: bool = False) -> Iterator[int]:
        """A folder, reached name by name from the mounted one."""
        folder = os.dup(self._root)
        try:
            for name in path.split("/") if path else ():
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(name, dir_fd=folder)
                inner = os.open(name, opened.FOLDER, dir_fd=folder)
                os.close(folder)
                folder = inner
            yield folder
        finally:
            os.close(folder)
