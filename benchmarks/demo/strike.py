"""The accident: a worker is killed while it generates, and what it held is watched until somebody else has it."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.demo.house import House

VICTIM = "worker-llm"
_URGENT = 5  # what is less urgent than this would wait for its turn again, and show nothing of the recovery
_PROMPT_MS = 3000  # later than this it was not recovery that it waited for, but more urgent agents
_HELD = """
    SELECT s.id, s.agent_id::text AS agent, s.op, s.attempt, s.priority FROM syscalls s
    JOIN workers w ON w.incarnation = s.incarnation
    WHERE w.pid = %(pid)s AND s.state = 'running' AND s.started_at < clock_timestamp() - interval '300 ms'
"""
_AGAIN = """
    SELECT s.state, s.attempt, w.pid, 1000 * extract(epoch FROM s.queued_at - %(at)s)::float AS ready_ms,
           1000 * extract(epoch FROM s.started_at - %(at)s)::float AS started_ms
    FROM syscalls s LEFT JOIN workers w ON w.incarnation = s.incarnation WHERE s.id = %(id)s
"""


@dataclass
class Held:
    """One syscall that the victim held when it was killed, and what became of it since."""

    id: object
    agent: str
    op: str
    attempt: int
    noticed: bool = False
    taken_by: str = ""


class Strike:
    """Call `step` again and again: it waits for the moment, strikes, and watches until all is taken over."""

    def __init__(self, house: House, *, say: Callable[[str], None], name_of: Callable[[str], str]) -> None:
        """Nothing happens before `step`.

        Args:
            house: whose worker it is.
            say: told what happens.
            name_of: an agent's short name, by its id.
        """
        self._house = house
        self._say = say
        self._name_of = name_of
        self._database = house.database()
        self._killed_at: object = None
        self._held: list[Held] = []

    @property
    def over(self) -> bool:
        """Whether it has struck and everything was taken over."""
        return self._killed_at is not None and all(held.taken_by for held in self._held)

    def step(self) -> None:
        """Do what is to be done now."""
        if self._killed_at is None:
            self._strike()
        elif not self.over:
            self._watch()

    def close(self) -> None:
        """Close the connection to Postgres."""
        self._database.close()

    def _strike(self) -> None:
        pid = self._house.pid(VICTIM)
        if not any(row["priority"] < _URGENT for row in self._query(_HELD, pid=pid)):
            return
        os.kill(pid, signal.SIGSTOP)  # so that what it holds is known when it dies
        time.sleep(0.05)
        self._held = [Held(row["id"], row["agent"], row["op"], row["attempt"]) for row in self._query(_HELD, pid=pid)]
        if not self._held:
            os.kill(pid, signal.SIGCONT)
            return
        os.kill(pid, signal.SIGKILL)
        self._killed_at = self._query("SELECT clock_timestamp() AS now")[0]["now"]
        agents = ", ".join(self._name_of(held.agent) for held in self._held)
        self._say(f"SIGKILL of {VICTIM} (pid {pid}) while it generates for {agents}")

    def _watch(self) -> None:
        for held in self._held:
            if not held.taken_by:
                self._look(held, self._query(_AGAIN, at=self._killed_at, id=held.id)[0])

    def _look(self, held: Held, row: dict[str, Any]) -> None:
        what = f"llm.{held.op} of {self._name_of(held.agent)}"
        again = row["attempt"] > held.attempt
        if not held.noticed and row["ready_ms"] > 0:
            held.noticed = True
            self._say(f"{what} is ready again {row['ready_ms']:.0f} ms after the kill")
        if again:
            held.taken_by = self._house.names().get(row["pid"], f"pid {row['pid']}")
            when = "" if row["started_ms"] < _PROMPT_MS else "when its turn came again, "
            self._say(f"{held.taken_by} took over {what} {when}{row['started_ms']:.0f} ms after the kill")
        elif row["state"] == "done":
            held.taken_by = VICTIM
            self._say(f"{what} was done: its commit was on its way when the worker died")

    def _query(self, statement: str, **values: object) -> list[dict[str, Any]]:
        return self._database.execute(statement, values).fetchall()
