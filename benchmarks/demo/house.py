"""The system that the demo runs on: a data directory of its own, all processes of `aios up`, and a second LLM worker."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import psycopg
from psycopg.rows import dict_row

from aios.local import commands, supervisor
from aios.local.environment import environment
from aios.sdk.client import Client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECOND = "worker-llm-2"
_READY_SECONDS = 60.0


class House:
    """A running system: `with House.opened(say) as house: house.client.submit(...)`."""

    client: Client

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data_dir = folder / "data"
        self._second: subprocess.Popen[bytes] | None = None

    @classmethod
    @contextmanager
    def opened(cls, say: Callable[[str], None]) -> Iterator[House]:
        """A system with free ports and an empty folder; all of it is gone afterwards, whatever happened.

        Args:
            say: told of each process that is up, and of the end.
        """
        house = cls(Path(tempfile.mkdtemp(prefix="aios-demo-")))
        try:
            house._start(say)
            with Client(data_dir=house.data_dir) as house.client:
                yield house
        finally:
            with _undisturbed():
                house._stop(say)

    def _start(self, say: Callable[[str], None]) -> None:
        begun = time.monotonic()

        def progress(name: str) -> None:
            say(f"{name} is up" if name != "ready" else f"all up after {time.monotonic() - begun:.1f} s")

        supervisor.up(self.data_dir, detach=True, progress=progress)
        self._start_second()
        say(f"{SECOND} is up: another worker of the same pool, as on another machine")

    def _start_second(self) -> None:
        ready = self.folder / "second.ready"
        env = {**os.environ, **environment(self.data_dir), "AIOS_READY_FILE": str(ready)}
        with (self.data_dir / "logs" / f"{SECOND}.log").open("wb") as log:
            # In a session of its own: a Ctrl-C in the terminal is the demo's alone, which then stops everything in order.
            self._second = subprocess.Popen(
                commands.worker("llm", node="llm-2"), env=env, stdout=log, stderr=log, start_new_session=True
            )
        end = time.monotonic() + _READY_SECONDS
        while not ready.exists() and self._second.poll() is None and time.monotonic() < end:
            time.sleep(0.05)

    def _stop(self, say: Callable[[str], None]) -> None:
        if self._second is not None:
            self._second.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._second.wait(timeout=15)
            self._second.kill()
            self._second.wait()
        supervisor.down(self.data_dir)
        left = self.left()
        shutil.rmtree(self.folder, ignore_errors=True)
        say(f"stopped; processes left: {len(left)} {' '.join(left)}".rstrip())

    def names(self) -> dict[int, str]:
        """The processes by pid."""
        named = {process.pid: process.name for process in supervisor.status(self.data_dir).processes}
        return named | ({self._second.pid: SECOND} if self._second else {})

    def pid(self, name: str) -> int:
        """The pid of a process of `aios up`."""
        return next(process.pid for process in supervisor.status(self.data_dir).processes if process.name == name)

    def database(self) -> psycopg.Connection[dict[str, Any]]:
        """Postgres itself, to look at what no client shows: which process holds which syscall."""
        url = supervisor.status(self.data_dir).settings["database_url"]
        return psycopg.connect(url, autocommit=True, row_factory=dict_row)

    def left(self) -> list[str]:
        """Names of living processes whose environment names this system."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if process.pid != os.getpid() and process.environ().get("AIOS_DATA_DIR") == str(self.data_dir):
                    found.append(process.name())
        return found


@contextmanager
def _undisturbed() -> Iterator[None]:
    """No second Ctrl-C breaks off the stop."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
