"""One running system: its crew of processes, the signals that stop it, and the state file that others read."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from aios.errors import Misconfigured
from aios.local import leftovers, state
from aios.local.crew import Crew, Stopped
from aios.local.state import SystemState
from aios.log import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path
    from types import FrameType

    from aios.local.process import Process
    from aios.local.state import Flower

log = logger(__name__)

READY = "ready"
"""The last thing that a system's progress says."""


class System:
    """The processes of one data directory, whose lock the caller holds."""

    def __init__(self, data_dir: Path, *, progress: Callable[[str], None]) -> None:
        """End what an earlier supervisor left, and forget where it answered.

        Args:
            data_dir: made and checked before.
            progress: called with the name of each process that is ready, and with `READY` when all are.
        """
        self.data_dir = data_dir
        self._wake = threading.Event()
        self._stop_asked = False
        self._progress = progress
        self._crew = Crew(
            data_dir / "logs",
            wake=self._wake,
            stopping=lambda: self._stop_asked,
            changed=self._save,
            came_up=progress,
        )
        for name in leftovers.stop(state.load(data_dir).processes, data_dir=data_dir):
            log.warning("stopped %s, left running by an earlier supervisor", name)
        self._stored = SystemState(supervisor=state.myself())
        state.save(data_dir, self._stored)

    def run(self, parts: Iterable[Process]) -> None:
        """Start the parts in order and supervise them until `stop`, SIGTERM or SIGINT; then stop them all.

        Raises:
            Misconfigured: a part did not come up; the others were stopped again.
        """
        try:
            with self._signals():
                for process in parts:
                    self._crew.add(process)
                self._crew.settle()
                self._progress(READY)
                self._supervise()
        except Stopped:
            log.info("stopping")
        finally:
            self._crew.stop()
            self._store(SystemState())

    def stop(self) -> None:
        """Ask `run` to end; from any thread or signal handler."""
        self._stop_asked = True
        self._wake.set()

    def publish(self, name: str, url: str) -> None:
        """Let every other process find a server."""
        self._store(self._stored.model_copy(update={"settings": {**self._stored.settings, name: url}}))

    def publish_flower(self, flower: Flower) -> None:
        """Let `aios status` say where Flower is."""
        self._store(self._stored.model_copy(update={"flower": flower}))

    def _supervise(self) -> None:
        while True:
            self._crew.pause()
            self._crew.tick()

    def _save(self) -> None:
        self._store(self._stored.model_copy(update={"processes": self._crew.recorded()}))

    def _store(self, stored: SystemState) -> None:
        self._stored = stored
        try:
            state.save(self.data_dir, stored)
        except Misconfigured as error:
            log.error("the state file could not be written: %s", error)  # noqa: TRY400  # the message says it all

    @contextmanager
    def _signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def asked(_number: int, _frame: FrameType | None) -> None:
            self.stop()

        def child_ended(_number: int, _frame: FrameType | None) -> None:
            self._wake.set()

        handlers = {signal.SIGTERM: asked, signal.SIGINT: asked, signal.SIGHUP: asked, signal.SIGCHLD: child_ended}
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            yield
        finally:
            # An impatient second Ctrl-C must not break off the orderly stop that follows.
            before[signal.SIGINT] = asked
            for number, handler in before.items():
                signal.signal(number, handler)
