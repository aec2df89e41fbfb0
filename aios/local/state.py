"""The state file of a data directory: what `aios up` started and where it answers, so that every other command finds it.

`state.json` (0600) holds `settings` (URLs, read by `aios.settings`), `flower` (URL, user, password), `processes` and
`supervisor`. `supervisor.lock` is locked by the living supervisor, and by nobody else; `supervisor.json` says who it is.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aios.errors import Misconfigured
from aios.local import folder
from aios.local.process import birth
from aios.settings import STATE_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LOCK_FILE = "supervisor.lock"
_HOLDER_FILE = "supervisor.json"


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Recorded(_Stored):
    """A process as it stands in the state file."""

    name: str
    pool: str = ""
    pid: int
    started: str
    """What `aios.local.process.birth` says of it: a later process with the same pid has another."""
    state: str = "running"


class Flower(_Stored):
    """Where Flower answers, and to whom."""

    url: str
    user: str
    password: str


class SystemState(_Stored):
    """Everything in the state file."""

    settings: dict[str, str] = Field(default_factory=dict)
    flower: Flower | None = None
    processes: tuple[Recorded, ...] = ()
    supervisor: Recorded | None = None


def load(data_dir: Path) -> SystemState:
    """The stored state; an empty one when there is none or it is torn."""
    try:
        return SystemState.model_validate(folder.read_json(data_dir / STATE_FILE))
    except ValidationError:
        return SystemState()


def save(data_dir: Path, state: SystemState) -> None:
    """Replace the stored state."""
    with folder.explained(data_dir):
        folder.write_private(data_dir / STATE_FILE, state.model_dump_json(indent=1))


@contextmanager
def locked(data_dir: Path) -> Iterator[None]:
    """Hold the data directory as its only supervisor.

    Raises:
        Misconfigured: another supervisor has it.
    """
    with folder.explained(data_dir):
        handle = os.open(data_dir / _LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Misconfigured(
                f"a system already runs on {data_dir}", "see `aios status`, stop it with `aios down`"
            ) from error
        folder.write_private(data_dir / _HOLDER_FILE, myself().model_dump_json())
        yield
    finally:
        os.close(handle)


def holder(data_dir: Path) -> Recorded | None:
    """The living supervisor of the data directory."""
    try:
        found = Recorded.model_validate(folder.read_json(data_dir / _HOLDER_FILE))
    except ValidationError:
        return None
    return found if birth(found.pid) == found.started and found.pid != os.getpid() else None


def myself() -> Recorded:
    """This process as the supervisor of a data directory."""
    return Recorded(name="supervisor", pid=os.getpid(), started=birth(os.getpid()) or "")
