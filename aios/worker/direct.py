"""Plain writes without a claim (the profile `fused`): the statement that writes one down does it, too (`aios/db/direct.py`)."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aios.db import direct, journal
from aios.errors import AiosError
from aios.kernel.ids import new_token
from aios.kernel.light import WRITES, is_light
from aios.kernel.replay import Entry
from aios.log import logger
from aios.ready import Bell

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aios.db.agents import Driven
    from aios.db.journal import Progress
    from aios.db.session import Database
    from aios.dispatch import Hand
    from aios.kernel.ports import Claimed, Executor, Outcome
    from aios.kernel.replay import Issued

log = logger(__name__)


@dataclass(frozen=True)
class Direct:
    """Does the plain write that a drive asks for alone; anything else becomes a syscall that is claimed and executed.

    Attributes:
        writes: those that it does, `pool.op`.
    """

    database: Database
    executors: Mapping[str, Executor]
    writes: frozenset[str] = WRITES

    def entry(self, driven: Driven, progress: Progress, *, hand: Hand | None, version: str) -> Entry | None:
        """What the journal holds of the only request of a drive, once it is answered there; None: nothing was done.

        Args:
            driven: the drive.
            progress: how far it came.
            hand: what this thread goes on with.
            version: of the program.

        Raises:
            DatabaseUnavailable: whether it was done is not known.
        """
        if hand is None or not hand.claims or not self._is_mine(progress):
            return None
        (issued,) = progress.issued
        call = journal.foreseen(driven, issued, token=new_token())
        entry = self._done(driven, issued, call, access=progress.access, version=version)
        if entry is not None and hand.announced:
            with hand.announced(Bell(call.pool, str(call.id), ((call.pool, call.op, str(call.id)),), call.priority)):
                pass  # it is done already: what is left to a claim is announced then
        return entry

    def _is_mine(self, progress: Progress) -> bool:
        if progress.outcome or progress.children or progress.notes or len(progress.issued) != 1:
            return False
        plan = progress.issued[0].plan
        return (
            is_light(plan) and f"{plan[0].pool}.{plan[0].op}" in self.writes and plan[0].payload.get("expect") is None
        )

    def _done(self, driven: Driven, issued: Issued, call: Claimed, *, access: int | None, version: str) -> Entry | None:
        begun = time.monotonic()
        outcome = self._perform(call)
        if outcome is None or outcome.clauses is None:
            return None
        with self.database.statement() as tx:
            done = direct.write(
                tx,
                driven,
                issued,
                call=call,
                clauses=outcome.clauses,
                access=access,
                version=version,
                took=time.monotonic() - begun,
            )
        if done is None:
            return None
        if outcome.after:
            outcome.after()
        return Entry(issued.digest, issued.request.label, results=[done.result])

    def _perform(self, call: Claimed) -> Outcome | None:
        """What comes of it, if it goes well: else its syscall is to say so."""
        try:
            return self.executors[call.pool].perform(call)
        except AiosError:
            return None
        except Exception:
            log.exception("%s.%s %s raised", call.pool, call.op, call.id)
            return None
