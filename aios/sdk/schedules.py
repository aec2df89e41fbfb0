"""The client's schedules: agents that are started by the clock."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aios.db import schedules, workers
from aios.dispatch import agent_bell
from aios.errors import InvalidArgument
from aios.kernel.cron import next_tick
from aios.kernel.ids import new_id
from aios.kernel.policy import Payer
from aios.kernel.submission import check_program, check_task
from aios.kernel.words import DEFAULT_PRIORITY, check_priority

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aios.bootstrap.parts import Parts
    from aios.kernel.values import Json, JsonObject
    from aios.settings import Settings

_NAME = re.compile(r"\w[\w.:/ -]{0,99}")


class Schedules:
    """What a client can do about schedules."""

    settings: Settings
    _parts: Parts

    def schedule(
        self,
        name: str,
        cron: str,
        program: str,
        task: Json,
        *,
        timezone: str = "UTC",
        priority: int = DEFAULT_PRIORITY,
        replace: bool = False,
    ) -> JsonObject:
        """Start an agent at every tick of a cron expression, as long as a beat and a `system` worker run.

        When all of them were down over several ticks, the first missed one is made up for, once, and the schedule goes on
        from then.

        Args:
            name: what it is called from now on.
            cron: five fields, such as `"*/15 9-17 * * MON-FRI"`; read as Debian's cron reads them.
            program: a program's name.
            task: what each agent is given.
            timezone: IANA name of the zone that the fields are read in.
            priority: of the agents, 0 (most urgent) to 9.
            replace: change the schedule of that name, which keeps its history.

        Returns:
            The schedule as `schedules` lists it.

        Raises:
            InvalidArgument: a value does not fit, or the name is taken.
            UnknownProgram: no worker has loaded the program.
        """
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise InvalidArgument("schedule name", name, "give a short one of letters, digits, '.', ':', '/', '-', ' '")
        check_task(task, limits=self.settings.limits)
        row = {"id": new_id(), "name": name, "cron": cron, "timezone": timezone, "program": program, "task": task}
        row["priority"] = check_priority(priority)
        with self._parts.database.transaction() as tx:
            check_program(program, known=workers.known_programs(tx))
            row["next_at"] = next_tick(cron, after=schedules.clock(tx), timezone=timezone)
            schedules.add(tx, row, replace=replace)
            return next(found for found in schedules.listing(tx) if found["name"] == name)

    def schedules(self) -> Sequence[JsonObject]:
        """All schedules by name, each with when it is due next and its last run."""
        with self._parts.database.transaction() as tx:
            return schedules.listing(tx)

    def unschedule(self, name: str) -> None:
        """Forget a schedule and its history; agents that it started go on.

        Raises:
            NotFound: there is no such schedule.
        """
        with self._parts.database.transaction() as tx:
            schedules.remove(tx, name)

    def run_now(self, name: str) -> str:
        """Start a schedule's agent now, besides its ticks; gives the agent's id.

        Raises:
            NotFound: there is no such schedule.
            UnknownProgram: no worker has loaded its program.
            QueueFull: too many agents wait to be started.
        """
        with self._parts.database.transaction() as tx:
            found = schedules.named(tx, name)
            agent = schedules.fire(tx, found, tick_at=None, limits=self.settings.limits)
        assert agent is not None  # only a tick is fired once
        payer = Payer.of(agent, agent, tenant="default", owner="", program=found.program)
        self._parts.dispatch.ring(add=[agent_bell(agent, priority=found.priority, payer=payer)])
        return str(agent)

    def schedule_history(self, name: str, *, limit: int = 100) -> Sequence[JsonObject]:
        """A schedule's runs, newest first: tick, agent, state and error; no state: the agent has been pruned.

        Raises:
            NotFound: there is no such schedule.
        """
        with self._parts.database.transaction() as tx:
            schedules.named(tx, name)
            return schedules.history(tx, name, limit=limit)
