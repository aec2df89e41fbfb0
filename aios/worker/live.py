"""Programs kept between two drives: an agent that comes back to the same process goes on without a replay.

An optimisation that may be lost at any moment. A kept run fits only the very next drive of the same journal, which the
agent's row proves: every claim, in whatever process, adds one to its epoch, and every request that was written adds one to
its steps. The latter is needed too: what the last drive wrote was not flushed, and may be lost with Postgres.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aios.errors import ProgramBroke
from aios.kernel.replay import Entry, Run
from aios.log import logger
from aios.worker.watchdog import Interrupted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from aios.db.agents import Driven, Taken
    from aios.kernel.replay import Issued
    from aios.worker.watchdog import Watchdog

log = logger(__name__)


@dataclass
class Live:
    """A program that waits for answers, and the journal as it saw it.

    Attributes:
        epoch: of the drive that left it here.
        steps: how many requests the agent had made when that drive was written.
    """

    run: Run
    entries: dict[str, Entry]
    generation: int
    epoch: int = 0
    steps: int = 0

    @property
    def open(self) -> list[str]:
        """The numbers of the requests that were not answered yet."""
        return [seq for seq, entry in self.entries.items() if entry.open]

    def answer(self, taken: Taken) -> bool:
        """Take over an answer; False: there may be more to read in the journal."""
        if self.open != [taken.seq] or not taken.results:
            return False
        asked = self.entries[taken.seq]
        self.entries[taken.seq] = Entry(asked.digest, asked.label, results=list(taken.results), context=taken.context)
        return True

    def note(self, driven: Driven, issued: Sequence[Issued]) -> None:
        """Take over what this drive asked."""
        for item in issued:
            self.entries[item.seq] = item.entry or Entry(item.digest, item.request.label, open=True)
        self.epoch, self.steps = driven.epoch, driven.steps + len(issued)

    def fits(self, driven: Driven) -> bool:
        """Whether nothing but answers was written since."""
        return (self.generation, self.epoch + 1, self.steps) == (driven.generation, driven.epoch, driven.steps)


class LiveRuns:
    """The runs that this process keeps, the least recently driven dropped first."""

    def __init__(self, watchdog: Watchdog, *, limit: int) -> None:
        """Keep at most `limit`; 0 keeps none."""
        self._watchdog = watchdog
        self._limit = limit
        self._kept: OrderedDict[UUID, Live] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, driven: Driven) -> Live | None:
        """The run that this drive goes on with, if there is one."""
        with self._lock:
            live = self._kept.pop(driven.id, None)
        if live is None or live.fits(driven):
            return live
        self.drop(live)
        return None

    def awaits(self, agent: UUID) -> str:
        """The number of the only request that an agent's program waits for here; empty: there is none, or more."""
        with self._lock:
            live = self._kept.get(agent)
            waiting = live.open if live is not None else []
        return waiting[0] if len(waiting) == 1 else ""

    def answered(self, taken: Taken) -> Live | None:
        """The run that goes on with this very answer, if it waits for no other one."""
        with self._lock:
            live = self._kept.get(taken.driven.id)
            if live is None or not live.fits(taken.driven) or not live.answer(taken):
                return None
            return self._kept.pop(taken.driven.id)

    def keep(self, agent: UUID, live: Live) -> None:
        """Keep a run for the agent's next drive."""
        with self._lock:
            self._kept[agent] = live
            spare = [self._kept.popitem(last=False)[1] for _ in range(len(self._kept) - self._limit)]
        for old in spare:
            self.drop(old)

    def close(self) -> None:
        """Drop them all."""
        with self._lock:
            kept, self._kept = list(self._kept.values()), OrderedDict()
        for live in kept:
            self.drop(live)

    def drop(self, live: Live) -> None:
        """Let a run go: its `finally` blocks run, no request in them does."""
        try:
            with self._watchdog.watch(lambda stack: log.warning("a program that is let go does not end:\n%s", stack)):
                live.run.evict()
        except (ProgramBroke, Interrupted) as error:
            log.warning("a program was let go: %s", error)
