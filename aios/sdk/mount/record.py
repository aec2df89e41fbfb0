"""What a mount knows from earlier: for each path, what both sides had when they were last the same.

It lies in a hidden folder inside the mounted one, so it goes where the files go, and is gone when they are (a disk that is
not plugged in is no deletion). It may be lost at any time: then what is equal stays, and what differs is a conflict.
"""

from __future__ import annotations

import os
import time
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from aios.errors import InvalidArgument
from aios.kernel.mirroring import Version
from aios.sdk.mount import opened

HIDDEN: Final = ".aios-mount"
"""The folder of this name in a mounted one is the mount's own; no file below such a name is synced."""

STATE: Final = "state.json"
_EVERY_SECONDS: Final = 1.0
_ONLY_ME: Final = 0o600


class _State(BaseModel):
    """The file's form. It counts for one virtual folder of one system only: another one's versions are others."""

    model_config = ConfigDict(frozen=True)

    system: str
    virtual: str
    files: dict[str, Version]


class Record:
    """What both sides had last, kept in a file."""

    def __init__(self, scratch: int, *, system: str, virtual: str) -> None:
        """Read it, if there is one.

        Args:
            scratch: the mount's own folder, open.
            system: which AIOS the virtual folder is of.
            virtual: the virtual folder.
        """
        self._scratch, self._system, self._virtual = scratch, system, virtual
        self._due = 0.0
        self._changed = False
        self.last = self._load()

    def remember(self, path: str, version: Version) -> None:
        """Both sides have this."""
        self.last[path] = version
        self._save_sometimes()

    def forget(self, path: str) -> None:
        """Neither side has it."""
        self.last.pop(path, None)
        self._save_sometimes()

    def save(self) -> None:
        """Write it down, if anything has changed.

        Raises:
            InvalidArgument: it cannot be written any more.
        """
        if not self._changed:
            return
        data = _State(system=self._system, virtual=self._virtual, files=self.last).model_dump_json().encode()
        try:
            with opened.made(self._scratch, data, mode=_ONLY_ME) as name:
                os.rename(name, STATE, src_dir_fd=self._scratch, dst_dir_fd=self._scratch)
        except OSError as error:
            remedy = f"what the mount knows cannot be written ({error.strerror}); make room for it, and mount again"
            raise InvalidArgument("folder", HIDDEN, remedy) from error
        self._changed, self._due = False, time.monotonic() + _EVERY_SECONDS

    def _save_sometimes(self) -> None:
        """A mount that is killed forgets a second: what it did then is found equal on both sides, and remembered."""
        self._changed = True
        if time.monotonic() >= self._due:
            self.save()

    def _load(self) -> dict[str, Version]:
        try:
            state = _State.model_validate_json(opened.read(self._scratch, STATE) or b"")
        except (OSError, ValidationError):
            return {}
        return state.files if (state.system, state.virtual) == (self._system, self._virtual) else {}
