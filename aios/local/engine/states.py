"""KV states on disk: what a half-done generation leaves behind, so that it can go on in another slot or another process.

A state's name begins with the fingerprint of the model and the engine that made it, and whoever comes back with it must
know the file's digest: a file of another model, cut short, or altered by anybody is never loaded. States end by being
dropped, by age, or because the folder is full; who comes too late begins at the first token again.
"""

from __future__ import annotations

import errno
import re
import time
from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

from aios.local.engine.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_NAME = re.compile(r"[0-9a-f]{16}-[0-9a-f]{32}")
_SUFFIX = ".kv"
_SWEEP_SECONDS = 60.0


class StateRef(NamedTuple):
    """A state as a client names it."""

    id: str
    digest: str


class Room(NamedTuple):
    """What states may take of the disk, and how long one is kept that nobody comes back for."""

    bytes: int = 4_000_000_000
    seconds: float = 3600.0


DEFAULT_ROOM = Room()


class Saved(NamedTuple):
    """A state at the end of a slice. Without a digest it could not be saved: it is in its slot, for as long as that lasts."""

    id: str
    digest: str = ""
    bytes: int = 0
    tokens: int = 0
    seconds: float = 0.0


def lost(why: str) -> Refusal:
    """The refusal of a call whose state cannot be gone on from; it has a real HTTP status, also for a stream."""
    return Refusal("state_lost", why, status=409, at_http=True)


def fingerprint(*parts: object) -> str:
    """Sixteen hexadecimal digits that stand for a model and an engine."""
    return sha256("\n".join(str(part) for part in parts).encode()).hexdigest()[:16]


class States:
    """The folder of states."""

    def __init__(self, folder: Path, *, fingerprint: str, room: Room) -> None:
        """Make the folder, readable by nobody else, and sweep what an earlier process left."""
        self.folder = folder
        self.fingerprint = fingerprint
        self._room = room
        self._swept_at = 0.0
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        self.sweep()

    def name(self) -> str:
        """A name for a new state."""
        return f"{self.fingerprint}-{uuid4().hex}"

    def path(self, name: str) -> Path:
        """Where a state is kept.

        Raises:
            Refusal: it is no name of a state.
        """
        if not _NAME.fullmatch(name):
            raise lost(f"{name[:64]!r} is no name of a state")
        return self.folder / f"{name}{_SUFFIX}"

    def has_room(self, size: int) -> bool:
        """Whether a state of so many bytes may be saved, once the oldest are gone."""
        if time.monotonic() - self._swept_at > _SWEEP_SECONDS or self._used() + size > self._room.bytes:
            self.sweep(room_for=size)
        return self._used() + size <= self._room.bytes

    def write(self, name: str, data: bytes, *, tokens: int) -> Saved:
        """Save a state whose bytes are at hand.

        Raises:
            OSError: there is no room for it.
        """
        began = time.perf_counter()
        if not self.has_room(len(data)):
            raise OSError(errno.ENOSPC, "the states' share of the disk is full")
        try:
            self.path(name).write_bytes(data)
            digest = self.seal(name)
        except OSError:
            self.drop([name])
            raise
        return Saved(name, digest, len(data), tokens, time.perf_counter() - began)

    def seal(self, name: str) -> str:
        """The digest of a state's file.

        Raises:
            OSError: it cannot be read.
        """
        found = sha256()
        with self.path(name).open("rb") as file:
            while chunk := file.read(1 << 20):
                found.update(chunk)
        return found.hexdigest()

    def find(self, state: StateRef) -> Path:
        """The file of a state of this model and engine.

        Raises:
            Refusal: it is another model's, or gone.
        """
        path = self.path(state.id)
        if not state.id.startswith(self.fingerprint):
            raise lost(f"state {state.id} is of another model or engine")
        if state.digest and not path.is_file():
            raise lost(f"state {state.id} is gone")
        return path

    def check(self, state: StateRef) -> Path:
        """The file of a state, whole and as it was saved.

        Raises:
            Refusal: it is another model's, gone, or altered.
        """
        path = self.find(state)
        try:
            sealed = self.seal(state.id)
        except OSError as error:
            raise lost(f"state {state.id} is gone") from error
        if sealed != state.digest:
            self.drop([state.id])
            raise lost(f"state {state.id} is not what was saved")
        return path

    def drop(self, names: Iterable[str]) -> None:
        """Delete states; those that are gone already, too."""
        for name in names:
            if _NAME.fullmatch(name):
                with suppress(OSError):
                    self.path(name).unlink()

    def sweep(self, *, room_for: int = 0) -> None:
        """Delete what is too old, and the oldest until the rest fits."""
        self._swept_at = time.monotonic()
        files = sorted(self._files(), key=lambda found: found[1])
        used, now = sum(size for _, _, size in files), time.time()
        for path, saved_at, size in files:
            if saved_at > now - self._room.seconds and used + room_for <= self._room.bytes:
                break
            with suppress(OSError):
                path.unlink()
            used -= size

    def _used(self) -> int:
        return sum(size for _, _, size in self._files())

    def _files(self) -> list[tuple[Path, float, int]]:
        found = []
        for path in self.folder.glob(f"*{_SUFFIX}"):
            with suppress(OSError):
                about = path.stat()
                found.append((path, about.st_mtime, about.st_size))
        return found
