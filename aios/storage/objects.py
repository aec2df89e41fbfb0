"""Object stores by URL: everything that fsspec speaks to, such as `file:///srv/aios`, `memory://x` or `s3://bucket/aios`.

Names of objects are hexadecimal digests, never anything that an agent chose, so no path of an agent reaches the host.
"""

from __future__ import annotations

import os
import re
import secrets
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import fsspec

from aios.errors import InvalidArgument, Misconfigured, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

_BROKEN_OFF: Final = timedelta(hours=1)  # no put takes so long
_NAME: Final = re.compile(r"[0-9a-f]{64}")


class FsspecObjects:
    """Implements the kernel's `ObjectStore`. An object is put under another name first, then renamed: never half there."""

    def __init__(self, url: str) -> None:
        """Connect on first use.

        Raises:
            Misconfigured: no file system of fsspec answers to the URL.
        """
        self.name = url
        try:
            self._files, root = fsspec.url_to_fs(url)
        except (ValueError, ImportError) as error:
            raise Misconfigured(f"storage.url = {url!r}: {error}", "give a URL that fsspec knows, or none") from error
        self._root = root.rstrip("/")
        self._local = "file" in _protocols(self._files)

    def put(self, name: str, data: bytes) -> None:
        """Store an object; one of that name is replaced by itself.

        Raises:
            StoreUnavailable: the store does not take it.
        """
        path = self._path(name)
        temporary = f"{self._root}/incoming/{name}.{secrets.token_hex(8)}"
        with self._translated():
            self._files.makedirs(f"{self._root}/incoming", exist_ok=True)
            self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
            self._stay_inside(path)
            if self._local:
                _write_durably(Path(temporary), data)
                os.replace(temporary, path)  # noqa: PTH105  # atomic, and fsspec's move is not
                _sync_folder(Path(path).parent)
            else:
                self._files.pipe_file(path, data)  # object stores show an object whole or not at all

    def get(self, name: str) -> bytes | None:
        """An object, or None.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        with self._translated():
            self._stay_inside(self._path(name))
            try:
                found: bytes = self._files.cat_file(self._path(name))
            except FileNotFoundError:
                return None
            return found

    def has(self, name: str) -> bool:
        """Whether an object is there."""
        with self._translated():
            self._files.invalidate_cache()
            return bool(self._files.isfile(self._path(name)))

    def remove(self, name: str) -> None:
        """Remove an object, if it is there."""
        with self._translated():
            self._stay_inside(self._path(name))
            try:
                self._files.rm_file(self._path(name))
            except FileNotFoundError:
                return

    def older_than(self, age: timedelta) -> Iterator[str]:
        """Names of the objects that were put at least so long ago. What a broken-off put left is removed."""
        latest = datetime.now(UTC) - age
        with self._translated():
            self._files.invalidate_cache()
            found = self._files.find(self._root, detail=True) if self._files.isdir(self._root) else {}
        for path, about in found.items():
            name = str(path).rpartition("/")[2]
            put_at = _instant(about)
            if _NAME.fullmatch(name):
                if put_at <= latest:
                    yield name
            elif put_at < datetime.now(UTC) - _BROKEN_OFF and str(path).startswith(f"{self._root}/incoming/"):
                with suppress(FileNotFoundError):
                    self._files.rm_file(path)

    def _path(self, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise InvalidArgument("object", name, "an object's name is a SHA-256 in hexadecimal digits")
        return f"{self._root}/{name[:2]}/{name}"

    def _stay_inside(self, path: str) -> None:
        """A symbolic link that somebody laid into the folder must not lead writes or reads out of it."""
        if not self._local:
            return
        root, parent = Path(self._root).resolve(), Path(path).parent.resolve()
        if not parent.is_relative_to(root) or Path(path).is_symlink():
            raise StoreUnavailable(self.name, f"{path} is reached through a symbolic link that leads out of it")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreUnavailable(self.name, f"{type(error).__name__}: {error}") from error


def _protocols(files: Any) -> tuple[str, ...]:
    protocol = files.protocol
    return (protocol,) if isinstance(protocol, str) else tuple(protocol)


def _instant(about: dict[str, Any]) -> datetime:
    """When an object was put, as its store tells it; one that does not tell counts as old."""
    told = (about.get(name) for name in ("LastModified", "last_modified", "mtime", "created"))
    found = next((one for one in told if one is not None), 0)
    if isinstance(found, datetime):
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    return datetime.fromtimestamp(float(found), UTC)


def _write_durably(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    """A rename is on the disk only when its folder is."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
