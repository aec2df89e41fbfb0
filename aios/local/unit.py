"""One supervised process: starts it, waits until it is ready without blocking, and notices its death."""

from __future__ import annotations

import enum
import time
from typing import TYPE_CHECKING, NamedTuple

from aios.errors import Misconfigured
from aios.local.process import Child, Process

if TYPE_CHECKING:
    from pathlib import Path

_REPAIR_PAUSE_SECONDS = 0.2
_REPAIRS = 100


class State(enum.StrEnum):
    """Where a unit is in its life."""

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    RESTARTING = "restarting"
    DONE = "done"


class Death(NamedTuple):
    """A unit's process ended although nobody asked it to."""

    pid: int
    code: int
    output: str
    was_ready: bool


class Unit:
    """A process and its present run, driven by `tick`."""

    def __init__(self, process: Process, *, log: Path) -> None:
        self.process = process
        self.state = State.STOPPED
        self.child: Child | None = None
        self._log = log
        self._deadline = 0.0
        self._repairs = 0

    def start(self) -> None:
        """Start the process; `tick` says when it is ready."""
        self.process.before()
        self.child = Child(self.process, log=self._log)
        self.state = State.STARTING
        self._deadline = time.monotonic() + self.process.ready_within.total_seconds()

    def tick(self) -> Death | None:
        """Move on by what has happened since the last call; returns a death that needs an answer."""
        if self.child is None or self.state not in (State.STARTING, State.RUNNING):
            return None
        code = self.child.ended()
        if code is not None:
            return self._ended(self.child, code)
        if self.state is State.STARTING:
            return self._starting(self.child)
        return None

    def bring_up(self) -> None:
        """Start the process and wait until it is ready.

        Raises:
            Misconfigured: it ended, or was not ready in time.
        """
        self.start()
        while self.state is State.STARTING:
            death = self.tick()
            if death is not None:
                raise self.failure(death)
            time.sleep(0.01)

    def stop(self) -> None:
        """Stop the process if it runs: its stop signal, then SIGKILL."""
        if self.child is not None:
            self.child.stop()
        self.state = State.STOPPED

    def kill(self) -> None:
        """SIGKILL the process if it runs."""
        if self.child is not None:
            self.child.kill()
        self.state = State.STOPPED

    def failure(self, death: Death) -> Misconfigured:
        """The error that says why the process did not come up."""
        why = death.output or "it wrote nothing"
        return Misconfigured(
            f"{self.process.name} did not start (exit code {death.code}):\n{why}", f"its log is {self._log}"
        )

    def _ended(self, child: Child, code: int) -> Death | None:
        was_ready = self.state is State.RUNNING
        if self.process.once and code == 0:
            self.state = State.DONE
            self.process.after()
            return None
        if not was_ready and self._repairs < _REPAIRS and self.process.repair(child.tail()):
            self._repairs += 1
            time.sleep(_REPAIR_PAUSE_SECONDS)
            self.start()
            return None
        self.state = State.STOPPED
        return Death(pid=child.pid, code=code, output=child.tail(), was_ready=was_ready)

    def _starting(self, child: Child) -> Death | None:
        if not self.process.once and self.process.ready(child.pid):
            self.process.after()
            self.state = State.RUNNING
            self._repairs = 0
            return None
        if time.monotonic() < self._deadline:
            return None
        output = f"not ready within {self.process.ready_within.total_seconds():g} s\n{child.tail()}"
        child.kill()
        self.state = State.STOPPED
        return Death(pid=child.pid, code=-9, output=output, was_ready=False)
