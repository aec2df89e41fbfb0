"""Driving one agent: claim it by epoch, run its program to the next requests, write them in one transaction, ring."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn
from uuid import UUID

from aios.db import agents, journal, recovery, syscalls, workers
from aios.dispatch import agent_bell, chain_bell
from aios.errors import (
    AiosError,
    BudgetSpent,
    ChildFailed,
    Ignored,
    ProgramStuck,
    UnknownProgram,
    did_you_mean,
    from_json,
)
from aios.kernel.agent import Agent
from aios.kernel.ids import new_id
from aios.kernel.plan import Planner
from aios.kernel.replay import Continued, Issued, Raised, Returned, Run
from aios.kernel.values import canonical
from aios.kernel.words import AgentState
from aios.log import logger
from aios.worker.watchdog import Interrupted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aios.db.agents import Driven
    from aios.db.session import Database, Transaction
    from aios.dispatch import Dispatch
    from aios.kernel.plan import Call, ToolInfo
    from aios.kernel.program import Program
    from aios.kernel.request import Request
    from aios.kernel.values import Json, JsonObject
    from aios.ready import Bell
    from aios.settings import Settings
    from aios.worker.incarnation import Incarnation
    from aios.worker.watchdog import Watchdog

log = logger(__name__)


class Progress(NamedTuple):
    """How far a drive came: its new requests, the children it starts, and its outcome if the program ended."""

    issued: list[Issued]
    children: list[JsonObject]
    outcome: Returned | Raised | Continued | None


@dataclass(frozen=True)
class Drive:
    """Drives the agents whose programs this process has loaded."""

    database: Database
    dispatch: Dispatch
    incarnation: Incarnation
    programs: Mapping[str, Program]
    tools: Mapping[str, ToolInfo]
    watchdog: Watchdog
    settings: Settings

    def run(self, agent: UUID) -> None:
        """Drive one agent as far as its journal reaches.

        Raises:
            Ignored: it is not runnable, or not by this process.
        """
        with self.database.transaction() as tx:
            driven = agents.claim(tx, agent, incarnation=self.incarnation.id, programs=list(self.programs))
            entries = journal.load(tx, agent, generation=driven.generation) if driven else {}
        if driven is None:
            self._refuse(agent)
        progress = self._advance(driven, entries)
        bells = self._record(driven, progress)
        self.dispatch.ring(done=[("agent", str(agent))], add=bells)
        if progress.outcome is not None and not isinstance(progress.outcome, Continued):
            self._wake_parents(agent)
        for issued in progress.issued:
            for call in issued.plan:
                if call.waits_for:
                    self._wake_parents(UUID(call.waits_for))

    def _refuse(self, agent: UUID) -> NoReturn:
        with self.database.transaction() as tx:
            runnable = agents.runnable(tx, agent)
        if not runnable:  # ended, waiting or paused: its grant must not hold a place
            self.dispatch.ring(done=[("agent", str(agent))])
        raise Ignored

    def _advance(self, driven: Driven, entries: Mapping[str, Any]) -> Progress:
        program = self.programs[driven.program]
        issuer = _Issuer(self, driven, program)
        agent = Agent(id=driven.id, tools=program.tools, parent_id=driven.parent_id)
        run = Run(program.start(agent, driven.task), issuer)
        try:
            with self.watchdog.watch(lambda stack: self._stuck(driven, stack)):
                issued = run.advance(entries)
                if run.outcome is None:
                    run.evict()
        except Interrupted:
            raise Ignored from None
        except AiosError as error:
            return Progress([], [], Raised(error))
        return Progress(issued, issuer.children, run.outcome)

    def _stuck(self, driven: Driven, stack: str) -> None:
        error = ProgramStuck(self.settings.worker.drive_seconds, stack)
        with self.database.transaction() as tx:
            agents.end(tx, driven.id, state=AgentState.FAILED, driven=driven, error=error.to_json())
        self.dispatch.ring(done=[("agent", str(driven.id))])
        self._wake_parents(driven.id)

    def _record(self, driven: Driven, progress: Progress) -> list[Bell]:
        version = self.programs[driven.program].version
        steps, children = len(progress.issued), len(progress.children)
        with self.database.transaction() as tx:
            again = self._close(tx, driven, progress, version)
            if again is None:
                recovery.count(tx, fenced=1)
                return []
            chains = journal.write(tx, driven, progress.issued) if not isinstance(progress.outcome, Continued) else []
            for child in progress.children:
                agents.submit(tx, child)
        log.debug("agent %s: %d requests, %d children", driven.id, steps, children)
        bells = [chain_bell(links, priority=driven.priority) for links in chains]
        bells += [agent_bell(child["id"], priority=child["priority"]) for child in progress.children]
        return bells + ([agent_bell(driven.id, priority=driven.priority)] if again else [])

    @staticmethod
    def _close(tx: Transaction, driven: Driven, progress: Progress, version: str) -> bool | None:
        """End the drive; whether the agent is runnable again, or None when the drive is stale."""
        steps, children = len(progress.issued), len(progress.children)
        match progress.outcome:
            case None:
                return agents.leave(tx, driven, steps=steps, children=children, version=version)
            case Continued(task):
                return True if agents.begin_again(tx, driven, task=task, steps=steps) else None
            case Returned(value):
                state, result, error = AgentState.DONE, value, None
            case Raised(raised):
                state, result, error = AgentState.FAILED, None, raised.to_json()
        ended = agents.end(
            tx,
            driven.id,
            state=state,
            driven=driven,
            result=result,
            error=error,
            version=version,
            steps=steps,
            children=children,
        )
        return False if ended else None

    def known_programs(self) -> set[str]:
        """Names of the programs that this process or any other has loaded."""
        with self.database.transaction() as tx:
            told = {row["name"] for row in workers.known_programs(tx) if not row["error"]}
        return told | set(self.programs)

    def _wake_parents(self, child: UUID) -> None:
        answer_waits(self.database, self.dispatch, child)


@dataclass
class _Issuer:
    """Answers a program's new requests: locals at once, the rest with a plan; within the agent's budgets."""

    drive: Drive
    driven: Driven
    program: Program

    def __post_init__(self) -> None:
        self.children: list[JsonObject] = []
        self._steps = self.driven.steps
        self._planner = Planner(
            tools=self.drive.tools,
            program=self.program.name,
            declared=self.program.tools,
            llm_seconds=self.drive.settings.llm.deadline_seconds,
        )

    def __call__(self, request: Request[Any]) -> Json | tuple[Call, ...]:
        self._steps += 1
        self._charge("steps", self._steps)
        self._charge("tokens", self.driven.tree_tokens)
        if request.local is not None:
            return json.loads(canonical(request.local(), what=f"the result of {request.name}"))
        if request.name == "agent.spawn":
            return self._spawn(request)
        return self._planner.plan(request)

    def _charge(self, budget: str, spent: int) -> None:
        limit = self.driven.budgets.get(budget)
        if limit is not None and (spent > limit or (budget == "tokens" and spent >= limit)):
            raise BudgetSpent(budget, limit, spent)

    def _spawn(self, request: Request[Any]) -> str:
        name, given = request.args["program"], request.args["priority"]
        known = self.drive.known_programs()
        if name not in known:
            raise UnknownProgram(name, did_you_mean(name, known))
        self._charge("children", self.driven.children + len(self.children) + 1)
        child = new_id()
        row = {
            "id": child,
            "root_id": self.driven.root_id,
            "parent_id": self.driven.id,
            "program": name,
            "task": request.args["task"],
            "state": AgentState.QUEUED.value,
            "priority": self.driven.priority if given is None else given,
            "tenant": self.driven.tenant,
            "budgets": self.driven.budgets,
        }
        self.children.append(row)
        return str(child)


def answer_waits(database: Database, dispatch: Dispatch, child: UUID | None = None) -> int:
    """Answer the waits for ended children (one child, or all): their parents may go on. How many there were."""
    with database.transaction() as tx:
        found = recovery.waits(tx, child)
    for row in found:
        error: AiosError | None = None
        if row.state != AgentState.DONE:
            text = str(from_json(row.error)) if row.error else "cancelled"
            error = ChildFailed(str(row.child), row.state, text)
        result = row.result["value"] if row.result else None
        with database.transaction() as tx:
            woken = syscalls.answer(tx, id=row.id, agent_id=row.agent_id, result=result, error=error)
            priority = agents.priority(tx, row.agent_id)
        if woken:
            dispatch.ring(add=[agent_bell(row.agent_id, priority=priority)])
    return len(found)
