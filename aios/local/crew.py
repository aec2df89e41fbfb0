"""The processes of one system: started in order, restarted with backoff when they die, stopped in reverse order."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from aios.errors import AiosError
from aios.local.state import Recorded
from aios.local.unit import Death, State, Unit
from aios.log import logger

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from threading import Event

    from aios.local.process import Process

log = logger(__name__)

_POLL_SECONDS = 0.1
_BACKOFF_SECONDS = 0.25
_LONGEST_BACKOFF_SECONDS = 15.0
_STEADY_SECONDS = 30.0


class Stopped(Exception):  # a request, not an error
    """Somebody asked the system to stop while it was starting."""


class Member:
    """A unit, and when it is due again after its last death."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.came_up = False
        self.deaths = 0
        self.due = 0.0
        self.since = 0.0

    def put_off(self) -> float:
        """Make it due after a pause that doubles with each death since it last ran steadily."""
        if self.since and time.monotonic() - self.since > _STEADY_SECONDS:
            self.deaths = 0
        pause = min(_LONGEST_BACKOFF_SECONDS, _BACKOFF_SECONDS * 2.0**self.deaths)
        self.deaths += 1
        self.since = 0.0
        self.due = time.monotonic() + pause
        self.unit.state = State.RESTARTING
        return pause


class Crew:
    """All units of one data directory."""

    def __init__(
        self,
        logs: Path,
        *,
        wake: Event,
        stopping: Callable[[], bool],
        changed: Callable[[], None],
        came_up: Callable[[str], None],
    ) -> None:
        """Nothing is started yet.

        Args:
            logs: folder of the log files, one per process.
            wake: set when something may have happened (a child ended); cleared here.
            stopping: whether the system shall stop.
            changed: called after a process has changed its state.
            came_up: called with the name of a process when it is ready for the first time.
        """
        self._logs = logs
        self._wake = wake
        self._stopping = stopping
        self._changed = changed
        self._came_up = came_up
        self._members: list[Member] = []

    def add(self, process: Process) -> None:
        """Start a process; one that others need, a server or a step, is also waited for.

        Raises:
            Misconfigured: it, or another that was added, did not come up.
            Stopped: the system shall stop.
        """
        member = Member(Unit(process, log=self._logs / f"{process.name}.log"))
        self._members.append(member)
        member.unit.start()
        self._changed()
        if process.server or process.once:
            self._wait_for([member])

    def settle(self) -> None:
        """Wait until everything that was added is ready.

        Raises:
            Misconfigured: something did not come up.
            Stopped: the system shall stop.
        """
        self._wait_for(self._members)

    def _wait_for(self, members: list[Member]) -> None:
        while not all(member.came_up for member in members):
            self.pause()
            self.tick()

    def pause(self) -> None:
        """Wait until something may have happened.

        Raises:
            Stopped: the system shall stop.
        """
        self._wake.wait(_POLL_SECONDS)
        self._wake.clear()
        if self._stopping():
            raise Stopped

    def tick(self) -> None:
        """Answer everything that has happened since the last call.

        Raises:
            Misconfigured: a process that is being added did not come up.
        """
        for member in list(self._members):
            before = member.unit.state
            self._tick(member)
            if member.unit.state is not before:
                self._changed()

    def stop(self) -> None:
        """Stop everything: workers all at once, then the servers they use, last started first."""
        others = [member.unit for member in self._members if not member.unit.process.server]
        _stop_together(others)
        for member in reversed(self._members):
            member.unit.stop()
            self._changed()

    def recorded(self) -> tuple[Recorded, ...]:
        """Every process as it stands in the state file."""
        return tuple(
            Recorded(
                name=unit.process.name,
                pool=unit.process.pool,
                pid=unit.child.pid,
                started=unit.child.born,
                state=unit.state.value,
            )
            for unit in (member.unit for member in self._members)
            if unit.child is not None
        )

    def _tick(self, member: Member) -> None:
        unit = member.unit
        if unit.state is State.RESTARTING and time.monotonic() >= member.due:
            self._again(member)
            return
        try:
            death = unit.tick()
        except AiosError as error:
            unit.kill()
            death = Death(pid=0, code=0, output=str(error), was_ready=False)
            if not member.came_up:
                raise
        if death is not None:
            self._died(member, death)
        elif unit.state in (State.RUNNING, State.DONE) and not member.since:
            member.since = time.monotonic()
            self._is_up(member)

    def _is_up(self, member: Member) -> None:
        if not member.came_up:
            member.came_up = True
            self._came_up(member.unit.process.name)
        if member.unit.state is State.DONE:
            self._members.remove(member)

    def _died(self, member: Member, death: Death) -> None:
        if not member.came_up:
            raise member.unit.failure(death)
        name = member.unit.process.name
        pause = member.put_off()
        log.warning("%s (pid %d) ended with code %d; again in %.2f s", name, death.pid, death.code, pause)

    def _again(self, member: Member) -> None:
        try:
            member.unit.start()
        except (AiosError, OSError) as error:
            pause = member.put_off()
            log.warning("%s cannot start (%s); again in %.2f s", member.unit.process.name, error, pause)


def _stop_together(units: list[Unit]) -> None:
    running = [unit.child for unit in reversed(units) if unit.child is not None and unit.child.ended() is None]
    for child in running:
        child.send(child.process.stop_signal)
    start = time.monotonic()
    while any(child.ended() is None for child in running):
        for child in running:
            if time.monotonic() - start > child.process.grace.total_seconds() and child.ended() is None:
                child.kill()
        time.sleep(0.02)
    for unit in units:
        unit.state = State.STOPPED
