"""The client: submit agents, wait for them, look at them, cancel them. It needs the database and Redis, no worker code."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Self

from aios import settings as settings_module
from aios.bootstrap.parts import Parts
from aios.db import agents, forks, recovery, syscalls, views, workers
from aios.dispatch import agent_bell
from aios.errors import ErrorJson, FinalError, InvalidArgument, NotFound, from_json
from aios.kernel.ids import parse_id
from aios.kernel.policy import Payer
from aios.kernel.submission import agent_row, check_program
from aios.kernel.values import Json, JsonObject, canonical
from aios.kernel.words import DEFAULT_PRIORITY, AgentState
from aios.sdk.access import AccessControl
from aios.sdk.cores import Cores
from aios.sdk.forks import Forks
from aios.sdk.gauges import Looks
from aios.sdk.schedules import Schedules
from aios.sdk.scheduling import Scheduling
from aios.sdk.steering import Steering
from aios.sdk.waiting import Waiting
from aios.worker.system import Pruned, prune

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType
    from uuid import UUID

    from aios.sdk.files import Files
    from aios.sdk.stream import Event
    from aios.settings import Settings

_PART = re.compile(r"[0-9a-fA-F-]{6,35}")
_MOST_AGENTS = 100_000  # in one list


@dataclass(frozen=True)
class Result:
    """How an agent ended (or where it is)."""

    id: str
    state: AgentState
    value: Json = None
    error: ErrorJson | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more can happen."""
        return self.state.ended

    def unwrap(self) -> Json:
        """The value of an agent that is done.

        Raises:
            AiosError: the error that it failed with.
        """
        if self.state is AgentState.DONE:
            return self.value
        raise from_json(self.error) if self.error else FinalError(f"agent {self.id} is {self.state.value}")

    def to_json(self) -> JsonObject:
        """`{"id", "state", "result", "error"}`."""
        return {"id": self.id, "state": self.state.value, "result": self.value, "error": self.error}


class Client(Schedules, Steering, Scheduling, Cores, AccessControl, Forks, Looks):
    """Speaks to one AIOS by its database and Redis URLs; thread-safe. `AsyncClient` is the same for asyncio."""

    def __init__(self, settings: Settings | None = None, **values: object) -> None:
        """Connect on first use.

        Args:
            settings: made elsewhere; None: as `aios.settings.load(**values)` finds them.
            **values: fields of the settings, such as `data_dir` or `database_url`.
        """
        self.settings = settings or settings_module.load(**values)
        self._parts = Parts(self.settings)

    @property
    def reached(self) -> bool:
        """Whether the database has ever answered this client."""
        return self._parts.database.reached

    def submit(
        self,
        program: str,
        task: Json,
        *,
        priority: int = DEFAULT_PRIORITY,
        budgets: JsonObject | None = None,
        idempotency_key: str | None = None,
        tenant: str = "default",
        owner: str = "",
        groups: Sequence[str] = (),
    ) -> str:
        """Put an agent in the process table and ring; gives its id. It is durable when this returns.

        Args:
            program: a program's name.
            task: what to do: a text, or any JSON value that the program understands.
            priority: 0 (most urgent) to 9.
            budgets: limits of the agent and its children together: `tokens`, `steps`, `children`, `seconds`.
            idempotency_key: a second submit with the same key gives the first one's id and starts nothing.
            tenant: whom it is for.
            owner: the user it works for.
            groups: whose data it shares; its children do too.

        Raises:
            UnknownProgram: no worker has loaded it.
            InvalidArgument: the task is empty or too long, or the priority or a budget is none.
            QueueFull: too many agents wait to be started.
            DatabaseUnavailable: Postgres does not answer. (With Redis down it succeeds, and is rung later.)
        """
        row = agent_row(
            program,
            task,
            limits=self.settings.limits,
            priority=priority,
            budgets=budgets,
            idempotency_key=idempotency_key,
            tenant=tenant,
            owner=owner,
            groups=groups,
        )
        dispatch = self._parts.dispatch  # first, so that a wrong URL leaves no agent behind
        with self._parts.database.statement() as tx:
            while (agent := agents.submit(tx, row, limit=self.settings.limits.queued_agents)) is None:
                check_program(program, known=workers.known_programs(tx))  # unless a worker has loaded it this moment
        payer = Payer.of(agent, agent, tenant=tenant, owner=owner, program=program)
        dispatch.ring(add=[agent_bell(agent, priority=priority, payer=payer)])
        return str(agent)

    def result(self, agent: str, *, timeout: float | timedelta | None = None) -> Result:
        """Wait until an agent has ended; after `timeout` (0: at once) give where it is.

        An outage of Postgres is waited out, too; a log line says so.

        Raises:
            InvalidArgument: the timeout is no time.
            NotFound: there is no such agent.
            DatabaseUnavailable: Postgres did not answer the last look, or has never answered this client.
        """
        waiting = Waiting(timeout, self)
        while True:
            with waiting.patient():
                found = self._result(parse_id(agent))
                if found.ended or waiting.over:
                    return found
            time.sleep(waiting.pause())

    def run(self, program: str, task: Json, *, timeout: float | None = None, priority: int = DEFAULT_PRIORITY) -> Json:
        """Submit, wait, and give the value.

        Raises:
            AiosError: the error that the agent failed with.
            FinalError: it has not ended within `timeout` seconds.
        """
        return self.result(self.submit(program, task, priority=priority), timeout=timeout).unwrap()

    def get(self, agent: str) -> JsonObject:
        """One agent's row of the process table.

        Raises:
            NotFound: there is no such agent.
        """
        with self._parts.database.statement() as tx:
            found = views.agent(tx, parse_id(agent))
        if found is None:
            raise NotFound("agent", agent)
        return found

    def list(self, *, state: str | None = None, limit: int = 100) -> Sequence[JsonObject]:
        """The newest agents, newest first.

        Raises:
            InvalidArgument: it is no state, or no limit.
        """
        if not 1 <= limit <= _MOST_AGENTS:
            raise InvalidArgument("limit", limit, f"give a whole number from 1 to {_MOST_AGENTS}")
        if state is not None and state not in set(AgentState):
            raise InvalidArgument("state", state, "give one of " + ", ".join(s.value for s in AgentState))
        with self._parts.database.statement() as tx:
            return views.agents(tx, state=state, limit=limit)

    def journal(self, agent: str) -> Sequence[JsonObject]:
        """An agent's syscalls in order, with how long each waited and ran, in milliseconds; first what a fork shares."""
        self.get(agent)
        with self._parts.database.statement() as tx:
            return forks.syscalls(tx, parse_id(agent))

    def find(self, part: str) -> str:
        """The id of the one agent whose id begins or ends with `part`, at least 6 characters; `last`: the newest agent.

        Raises:
            NotFound: there is none.
            InvalidArgument: there are several.
        """
        if part in {"last", "-"}:
            newest = self.list(limit=1)
            found = [newest[0]["id"]] if newest else []
        elif _PART.fullmatch(part):
            with self._parts.database.statement() as tx:
                found = views.matching(tx, part.lower())
        else:
            found = [parse_id(part)]
        if not found:
            raise NotFound("agent", part)
        if len(found) > 1:
            raise InvalidArgument("agent", part, f"several match, such as {found[0]} and {found[1]}; give more of it")
        return str(found[0])

    def stream(self, agent: str) -> Iterator[str]:
        """An agent's tokens as they come, until it has ended: every text once and in order.

        Where a model's second attempt (its worker died) differs from what was shown of the first, the answer is given
        again after a line break; `watch` tells such things apart.
        """
        from aios.sdk.stream import follow  # noqa: PLC0415  # only who follows needs the streams

        yield from follow(self._parts, parse_id(agent))

    def watch(self, agent: str, *, wait: bool = True) -> Iterator[Event]:
        """The same with beginnings and ends of syscalls, and a `Silence` at least once per second.

        Args:
            agent: its id.
            wait: False: only what there is now.
        """
        from aios.sdk.stream import watch  # noqa: PLC0415  # only who follows needs the streams

        yield from watch(self._parts, parse_id(agent), wait=wait)

    def questions(self, agent: str | None = None) -> Sequence[JsonObject]:
        """Questions of `agent.ask` that wait for a human: of one agent, or of all."""
        with self._parts.database.statement() as tx:
            return views.questions(tx, parse_id(agent) if agent else None)

    def answer(self, agent: str, answer: Json, *, seq: str | None = None) -> None:
        """Answer an agent's oldest open question, or the one of request `seq`.

        Raises:
            NotFound: no question waits.
        """
        canonical(answer, what="the answer")
        with self._parts.database.transaction() as tx:
            open_ = [q for q in views.questions(tx, parse_id(agent)) if seq is None or q["seq"] == seq]
            if not open_:
                raise NotFound("open question of agent", agent)
            choices = open_[0]["choices"]
            if choices and answer not in choices:
                raise InvalidArgument("answer", answer, "give one of " + ", ".join(map(repr, choices)))
            if not syscalls.answer(tx, id=open_[0]["id"], agent_id=parse_id(agent), result=answer):
                raise NotFound("open question of agent", agent)  # somebody was quicker, or the agent has just ended
            standing = agents.standing(tx, parse_id(agent))
        self._parts.dispatch.ring(add=[agent_bell(parse_id(agent), **standing._asdict())])

    def retry(self, agent: str) -> None:
        """Let a failed agent go on from its journal, as after a fix of its program.

        Raises:
            NotFound: there is no such agent.
            AgentEnded: it has not failed.
        """
        with self._parts.database.transaction() as tx:
            agents.retry(tx, parse_id(agent))
        self._ring_again([parse_id(agent)])

    def programs(self) -> Sequence[JsonObject]:
        """The programs that workers have loaded, with their sources and errors."""
        with self._parts.database.statement() as tx:
            return workers.known_programs(tx)

    def counters(self) -> dict[str, int]:
        """What recovery has done since the database was made: `rung_again`, `fenced`, `requeued`, `refused`."""
        with self._parts.database.statement() as tx:
            return recovery.counters(tx)

    def prune(self, *, older_than: timedelta | None = None) -> Pruned:
        """Remove agents that ended longer ago than that, with their journals, memories and files; gives how much went.

        Args:
            older_than: None: as long as `limits.retention_days` says. A tree of agents goes when its last one may go.
        """
        age = timedelta(days=self.settings.limits.retention_days) if older_than is None else older_than
        return prune(self._parts.database, older_than=age, files=self._parts.file_retention)

    @property
    def files(self) -> Files:
        """The files of all agents, groups and of everybody, as an operator sees them."""
        from aios.sdk.files import Files  # noqa: PLC0415  # only who looks at files needs them

        return Files(self._parts, find=self.find)

    def close(self) -> None:
        """Close the connections."""
        self._parts.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _result(self, agent: UUID) -> Result:
        with self._parts.database.statement() as tx:
            row = views.result(tx, agent)
        if row is None:
            raise NotFound("agent", str(agent))
        value = row["result"]["value"] if row["result"] else None
        return Result(str(row["id"]), AgentState(row["state"]), value, row["error"])
