"""A mount at work: it looks at both sides, does what makes them the same, and tells what it did."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from aios.errors import AiosError, FinalError, TransientError
from aios.kernel.mirroring import Action, Version, plan

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from aios.kernel.mirroring import Step
    from aios.sdk.mount.host import Host, Look
    from aios.sdk.mount.opened import Seen
    from aios.sdk.mount.record import Record
    from aios.sdk.mount.virtual import Virtual

_MOST_TURNS: Final = 20


class Event(NamedTuple):
    """What a mount did or found.

    Attributes:
        kind: `uploaded`, `downloaded`, `deleted_here`, `deleted_there`, `conflict`, `left`, `unavailable` or `same`.
        path: below the mounted folders; empty: it is about all of them.
        version: the version there, if one was made or fetched.
        detail: of a conflict the path of the copy, of what is left the reason.
    """

    kind: str
    path: str = ""
    version: int | None = None
    detail: str = ""


class Turn(NamedTuple):
    """How a turn ended.

    Attributes:
        changed: so many files were changed.
        again: one about which there is more to do at once, since somebody is changing it; empty: none.
    """

    changed: int
    again: str


class Sync:
    """Keeps a folder of the host and a virtual one the same."""

    def __init__(self, host: Host, virtual: Virtual, record: Record, *, tell: Callable[[Event], None]) -> None:
        """Nothing is done yet.

        Args:
            host: the one folder.
            virtual: the other.
            record: what both had last.
            tell: is given every event.
        """
        self._host, self._virtual, self._record, self._tell = host, virtual, record, tell
        self._left: dict[str, str] = {}

    def once(self, *, pause: timedelta) -> None:
        """Make both sides the same, waiting for files that are being written.

        Raises:
            AiosError: a folder or the system is gone, or others change the files all the time.
        """
        for _ in range(_MOST_TURNS):
            busy = self.turn().again
            if not busy:
                self._summary()
                return
            time.sleep(pause.total_seconds())
        raise FinalError(
            f"{busy!r} is being changed all the time, so it is not the same on both sides; try again later"
        )

    def forever(self, *, pause: timedelta) -> None:
        """Keep them the same; a system that does not answer is asked again."""
        fresh, available = True, True
        while True:
            try:
                changed = self.turn().changed
            except TransientError as error:
                if available:
                    self._tell(Event("unavailable", detail=str(error)))
                available = False
            else:
                if changed or fresh or not available:
                    self._summary()
                fresh, available = False, True
            time.sleep(pause.total_seconds())

    def turn(self) -> Turn:
        """Look at both sides once, and do what is to be done.

        Raises:
            AiosError: a folder or the system is gone.
        """
        there, seen = self._virtual.look(), self._host.look()
        here = {path: one.digest for path, one in seen.files.items()}
        steps = plan(self._record.last, here, there, held=seen.waiting | seen.left.keys())
        try:
            return self._carry_out(steps, seen)
        finally:
            self._record.save()

    def _carry_out(self, steps: list[Step], seen: Look) -> Turn:
        left, changed, again = dict(seen.left), 0, min(seen.waiting, default="")
        for step in steps:
            try:
                done = self._do(step, seen.files.get(step.path))
            except TransientError:
                raise
            except (AiosError, OSError) as error:
                left[step.path] = getattr(error, "strerror", None) or str(error)
                continue
            changed += done and step.action not in (Action.REMEMBER, Action.FORGET)
            if not done or step.action is Action.CONFLICT:  # whose copy is still to be uploaded
                again = step.path
        self._say_left(left)
        return Turn(changed, again)

    def _do(self, step: Step, seen: Seen | None) -> bool:
        """Do one thing; False: somebody changed the file meanwhile, and the next turn decides anew."""
        match step.action:
            case Action.UPLOAD if seen is not None:
                return self._upload(step, seen)
            case Action.DELETE_THERE:
                return self._delete_there(step)
            case Action.DELETE_HERE if seen is not None:
                return self._delete_here(step, seen)
            case Action.REMEMBER if step.there is not None:
                self._record.remember(step.path, step.there)
            case Action.FORGET:
                self._record.forget(step.path)
            case Action.DOWNLOAD | Action.CONFLICT if step.there is not None:
                return self._download(step, step.there, seen)
        return True

    def _upload(self, step: Step, seen: Seen) -> bool:
        data = self._host.read(step.path, seen)
        version = None if data is None else self._virtual.write(step.path, data, expect=step.expect)
        if version is None:
            return False
        self._record.remember(step.path, Version(version, seen.digest))
        self._tell(Event("uploaded", step.path, version))
        return True

    def _download(self, step: Step, there: Version, seen: Seen | None) -> bool:
        """Fetch a version; a file that is in conflict with it is set aside first."""
        data = self._virtual.read(step.path, version=there.number)
        if data is None:
            return False
        if step.action is Action.CONFLICT and seen is not None:
            copy = self._host.set_aside(step.path, seen, at=datetime.now(UTC))
            if copy is None:
                return False
            self._tell(Event("conflict", step.path, there.number, copy))
            seen = None
        if not self._host.write(step.path, data, over=seen):
            return False
        self._record.remember(step.path, there)
        self._tell(Event("downloaded", step.path, there.number))
        return True

    def _delete_there(self, step: Step) -> bool:
        version = self._virtual.delete(step.path, expect=step.expect)
        if version is None:
            return False
        self._record.forget(step.path)
        self._tell(Event("deleted_there", step.path, version))
        return True

    def _delete_here(self, step: Step, seen: Seen) -> bool:
        if not self._host.delete(step.path, seen):
            return False
        self._record.forget(step.path)
        self._tell(Event("deleted_here", step.path))
        return True

    def _say_left(self, left: dict[str, str]) -> None:
        for path, why in sorted(left.items()):
            if self._left.get(path) != why:
                self._tell(Event("left", path, detail=why))
        self._left = left

    def _summary(self) -> None:
        same, left = len(self._record.last), len(self._left)
        self._tell(Event("same", detail=f"{same} files are the same" + (f", {left} are left" if left else "")))
