"""What `aios status` says of a data directory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from aios.local import state
from aios.local.process import birth

if TYPE_CHECKING:
    from pathlib import Path

    from aios.local.state import Flower, Recorded

_URLS = {
    "database_url": "database",
    "database_owner_url": "database_owner",
    "redis_url": "redis",
    "engine_url": "engine",
}


class ProcessJson(TypedDict):
    """A process in `aios status --json`."""

    name: str
    pool: str
    pid: int
    state: str


class StatusJson(TypedDict):
    """The shape of `aios status --json`."""

    processes: list[ProcessJson]
    urls: dict[str, str]
    data_dir: str


@dataclass(frozen=True, kw_only=True)
class Status:
    """What runs on a data directory."""

    running: bool
    """Whether a supervisor lives."""
    processes: tuple[Recorded, ...]
    settings: dict[str, str]
    """The settings it published: database_url, redis_url, engine_url."""
    flower: Flower | None
    data_dir: Path

    @property
    def urls(self) -> dict[str, str]:
        """Where everything answers, with passwords; Flower's holds its user and password too."""
        urls = {_URLS.get(name, name): url for name, url in self.settings.items()}
        if self.flower:
            credentials = f"://{self.flower.user}:{self.flower.password}@"
            urls["flower"] = self.flower.url.replace("://", credentials, 1)
        return urls

    def to_json(self) -> StatusJson:
        """The value that `aios status --json` prints."""
        processes = [ProcessJson(name=p.name, pool=p.pool, pid=p.pid, state=p.state) for p in self.processes]
        return StatusJson(processes=processes, urls=self.urls, data_dir=str(self.data_dir))


def status(data_dir: Path) -> Status:
    """What runs on a data directory; a recorded process that no longer lives is `dead`."""
    data_dir = data_dir.expanduser().resolve()
    stored = state.load(data_dir)
    return Status(
        running=state.holder(data_dir) is not None,
        processes=tuple(_checked(process) for process in stored.processes),
        settings=stored.settings,
        flower=stored.flower,
        data_dir=data_dir,
    )


def _checked(process: Recorded) -> Recorded:
    alive = birth(process.pid) == process.started
    dead = not alive and process.state != "restarting"
    return process.model_copy(update={"state": "dead"}) if dead else process
