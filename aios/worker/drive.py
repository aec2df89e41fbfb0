"""Driving one agent: claim it by epoch, run its program to the next requests, write them in one transaction, ring."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn
from uuid import UUID

from aios.access.cache import RuleCache
from aios.access.guard import Guard
from aios.db import agents, forks, journal, recovery, syscalls, workers
from aios.db.agents import Driven, Taken, Taker
from aios.db.journal import Progress
from aios.dispatch import Ring, agent_bell, chain_bell
from aios.errors import (
    AiosError,
    BudgetSpent,
    ChildFailed,
    DatabaseUnavailable,
    FinalError,
    Ignored,
    ProgramBroke,
    ProgramStuck,
    UnknownProgram,
    ValueTooLong,
    did_you_mean,
    from_json,
)
from aios.kernel.agent import Agent
from aios.kernel.ids import new_id
from aios.kernel.plan import Planner
from aios.kernel.policy import Payer
from aios.kernel.replay import Raised, Returned, Run
from aios.kernel.values import canonical
from aios.kernel.words import AgentState
from aios.log import logger
from aios.ready import Done
from aios.worker.claiming import Claiming, Own
from aios.worker.live import Live, LiveRuns
from aios.worker.patience import patiently
from aios.worker.watchdog import Interrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aios.db.session import Database, Transaction
    from aios.dispatch import Dispatch
    from aios.kernel.plan import Call, ToolInfo
    from aios.kernel.ports import Rules
    from aios.kernel.program import Program
    from aios.kernel.replay import Entry
    from aios.kernel.request import Request
    from aios.kernel.values import Json, JsonObject
    from aios.ready import Bell
    from aios.settings import Settings
    from aios.worker.direct import Direct
    from aios.worker.incarnation import Incarnation
    from aios.worker.watchdog import Watchdog

log = logger(__name__)

_PASS_ON_SECONDS = 0.05
_AT_ONCE = 16  # requests that a drive answers itself, at most


@dataclass(frozen=True)
class Drive:
    """Drives the agents whose programs this process has loaded.

    Attributes:
        direct: does plain writes within a drive (the profile `fused`); None leaves them to their pools.
    """

    database: Database
    dispatch: Dispatch
    incarnation: Incarnation
    programs: Mapping[str, Program]
    tools: Mapping[str, ToolInfo]
    watchdog: Watchdog
    settings: Settings
    direct: Direct | None = None

    @cached_property
    def live(self) -> LiveRuns:
        """The programs that wait here for answers."""
        return LiveRuns(self.watchdog, limit=self.settings.worker.live_runs)

    @cached_property
    def claiming(self) -> Claiming:
        """What a drive claims of what it asks for."""
        return Claiming(self.dispatch, self.incarnation, asks=self.settings.worker.at_once)

    @cached_property
    def rules(self) -> Rules:
        """The access rules, as this process knows them."""
        return RuleCache(self.database)

    def run(self, agent: UUID) -> None:
        """Drive one agent as far as its journal reaches.

        Raises:
            Ignored: it is not runnable, or not by this process.
        """
        begun = time.monotonic()
        ring = self.step(agent, done=lambda: Done("agent", str(agent), time.monotonic() - begun))
        if ring is None:
            self._refuse(agent)
        if ring.done or ring.add:
            self.dispatch.ring(done=ring.done, add=ring.add)

    def taker(self) -> Taker:
        """Who it is that takes agents with their answers (`step`)."""
        return Taker(self.incarnation.current(), list(self.programs))

    def step(self, agent: UUID, *, done: Callable[[], Done] | None, taken: Taken | None = None) -> Ring | None:
        """Drive one agent; gives what is to be told the ready sets then. None: it cannot be driven here.

        Args:
            agent: its id.
            done: the grant under which it is driven, which is told together with the rest, or before; None: there is none.
            taken: it is claimed already.

        Raises:
            Ignored: the drive was interrupted, and is to be done again.
        """
        with self.incarnation.driving(agent):
            claim = (lambda: self._claim(agent)) if taken is None else (lambda: self._take_over(taken))
            claimed = patiently(claim, what=f"agent {agent}")
            if claimed is None:
                return None
            driven, live = claimed
            driven, progress = self._go_on(driven, live)
            own = Own(done, alone=not live.open)
            with self.claiming.of(driven, progress, own):
                bells = self._recorded(driven, progress, live, own)
        for issued in progress.issued:
            for call in issued.plan:
                if call.waits_for:
                    self._wake_parents(UUID(call.waits_for))
        return Ring(own.released(), bells)

    def _claim(self, agent: UUID) -> tuple[Driven, Live] | None:
        """Claim an agent and read what is new in its journal."""
        taker, awaits = self.taker(), self.live.awaits(agent)
        return self._prepared(lambda tx: agents.claim(tx, agent, taker=taker, awaits=awaits))

    def _take_over(self, taken: Taken) -> tuple[Driven, Live] | None:
        """An agent that was claimed with its answer: nothing is read if its program is kept, and waits for nothing else."""
        live = self.live.answered(taken)
        return (taken.driven, live) if live is not None else self._prepared(lambda _: taken)

    def _prepared(self, claim: Callable[[Transaction], Taken | None]) -> tuple[Driven, Live] | None:
        """What was claimed, and its program. Should that fail in between, the heartbeat gives it back."""
        live = None
        try:
            with self.database.statement() as tx:
                taken = claim(tx)
                if taken is None:
                    return None
                driven = taken.driven
                live = self.live.answered(taken)
                if live is not None:
                    return driven, live
                live = self.live.take(driven)
                entries = self._entries(tx, driven, live)
        except BaseException:
            if live is not None:
                self.live.drop(live)
            raise
        if live is None:
            return driven, Live(self._begun(driven), entries, driven.generation)
        live.entries |= entries
        return driven, live

    @staticmethod
    def _entries(tx: Transaction, driven: Driven, live: Live | None) -> dict[str, Entry]:
        """The journal: all of it, or the answers that a kept program waits for."""
        if live is not None:
            return journal.load(tx, driven.id, generation=driven.generation, only=live.open)
        if driven.steps == 0 and driven.forked_from is None:
            return {}  # it has asked for nothing yet
        return forks.load(tx, driven.id, generation=driven.generation, origin=forks.origin_of(driven))

    def _begun(self, driven: Driven) -> Run:
        """The program at its beginning, to be replayed."""
        program = self.programs[driven.program]
        agent = Agent(
            id=driven.id,
            tools=program.tools,
            parent_id=driven.parent_id,
            context=program.context,
            memory=program.memory,
        )
        try:
            return Run(program.start(agent, deepcopy(driven.task)))  # which it may alter, and be begun again
        except Exception as error:  # noqa: BLE001  # it takes other arguments: that ends it, as if it had raised this inside
            return Run(_raising(error))

    def _go_on(self, driven: Driven, live: Live) -> tuple[Driven, Progress]:
        """Run the program until it asks for something that is not done at once."""
        for _ in range(_AT_ONCE):
            progress = self._progress(driven, live)
            entry = self._directly(driven, progress, live)
            if entry is None:
                return driven, progress
            if not live.entries:  # it was evicted
                live.run = self._begun(driven)
            live.entries[progress.issued[0].seq] = entry
            driven = replace(driven, steps=driven.steps + 1)
        return driven, self._progress(driven, live)

    def _directly(self, driven: Driven, progress: Progress, live: Live) -> Entry | None:
        if self.direct is None:
            return None
        try:
            version = self.programs[driven.program].version
            return self.direct.entry(driven, progress, hand=self.dispatch.hand, version=version)
        except DatabaseUnavailable:  # it may be done or not: the journal will tell
            self.live.drop(live)
            patiently(lambda: self._give_back(driven), what=f"agent {driven.id}")
            raise Ignored from None

    def _progress(self, driven: Driven, live: Live) -> Progress:
        """Run the program as far as the journal reaches; whatever it or the kernel raises ends the agent, never sticks it."""
        try:
            return self._advance(driven, live)
        except Interrupted:
            patiently(lambda: self._give_back(driven), what=f"agent {driven.id}")
            raise Ignored from None
        except AiosError as error:
            return Progress([], [], Raised(error))
        except Exception as error:
            log.exception("agent %s: its drive raised", driven.id)
            return Progress([], [], Raised(FinalError(f"{type(error).__name__}: {error}")))

    def fitting(self, value: Json, *, what: str) -> bytes:
        """A value as JSON text.

        Raises:
            NotJson: it is none.
            ValueTooLong: it is longer than the journal takes.
        """
        return self.bounded(canonical(value, what=what), what=what)

    def bounded(self, text: bytes, *, what: str) -> bytes:
        """A value's JSON text as it is.

        Raises:
            ValueTooLong: it is longer than the journal takes.
        """
        limit = self.settings.limits.value_bytes
        if len(text) > limit:
            raise ValueTooLong(what, len(text), limit)
        return text

    def _give_back(self, driven: Driven) -> None:
        """After an interrupt: nothing happens when the watchdog has failed the agent, else it is driven again."""
        with self.database.statement() as tx:
            agents.give_back(tx, driven)

    def _refuse(self, agent: UUID) -> NoReturn:
        with self.database.statement() as tx:
            wanted = agents.wanted(tx, agent)
        if wanted is None:  # ended, waiting or paused: its grant must not hold a place
            self.dispatch.ring(done=[("agent", str(agent))])
        elif wanted.program not in self.programs and wanted.somewhere:
            time.sleep(_PASS_ON_SECONDS)  # a worker that has the program may be busy: do not play ball with the message
            bell = agent_bell(agent, priority=wanted.priority)
            self.dispatch.ring(done=[("agent", str(agent))], add=[bell])
        raise Ignored

    def _advance(self, driven: Driven, live: Live) -> Progress:
        issuer = _Issuer(self, driven, self.programs[driven.program], live.entries)
        run, began = live.run, not live.entries
        with self.watchdog.watch(lambda stack: self._stuck(driven, stack)):
            try:
                issued = run.advance(live.entries, issuer)
            except BaseException:
                with suppress(ProgramBroke):  # its branches are dropped in order too; what was raised matters more
                    run.evict()
                raise
            if isinstance(run.outcome, Returned):
                self.fitting(run.outcome.value, what="the program's result")
            if run.outcome is None and began:  # one that cannot be replayed shows it next time, not at the first crash
                run.evict()
        return Progress(issued, issuer.children, run.outcome, issuer.guard.version, issuer.guard.notes)

    def _stuck(self, driven: Driven, stack: str) -> None:
        error = ProgramStuck(self.settings.worker.drive_seconds, stack)
        with self.database.transaction() as tx:
            agents.fail(tx, driven.id, error=error, epoch=driven.epoch)
        self.dispatch.ring(done=[("agent", str(driven.id))])
        self._wake_parents(driven.id)

    def _recorded(self, driven: Driven, progress: Progress, live: Live, own: Own) -> list[Bell]:
        """Write what the drive came to; if Postgres refuses that, the agent ends: it would ask for the same for ever."""
        try:
            return patiently(lambda: self._record(driven, progress, live, own), what=f"agent {driven.id}")
        except AiosError:
            raise
        except Exception as error:
            log.exception("agent %s: what its drive came to cannot be written", driven.id)
            refused = FinalError(f"what it came to cannot be written: {type(error).__name__}: {error}")
        own.claim = None
        self.live.drop(live)
        ended = Progress([], [], Raised(refused))
        return patiently(lambda: self._record(driven, ended, live, own), what=f"agent {driven.id}")

    def _record(self, driven: Driven, progress: Progress, live: Live, own: Own) -> list[Bell]:
        """Write what the drive came to; a program that waits for more is kept, one whose drive was in vain is not."""
        bells, written = self._write(driven, progress, live, own)
        if progress.outcome is None:
            if written:
                if not live.entries:  # it was evicted
                    live.run = self._begun(driven)
                live.note(driven, progress.issued)
                self.live.keep(driven.id, live)
            else:
                self.live.drop(live)
        return bells

    def _write(self, driven: Driven, progress: Progress, live: Live, own: Own) -> tuple[list[Bell], bool]:
        """The bells of what follows, and whether anything was written: not if the drive is stale, or to be done again."""
        failed = isinstance(progress.outcome, Raised)
        with self.database.transaction() if failed else self.database.statement() as tx:
            version = self.programs[driven.program].version
            recorded = journal.record(tx, driven, progress, version=version, entries=live.entries, claim=own.claim)
            if recorded is None and agents.give_back(tx, driven):  # the access rules changed since: decide again
                return [agent_bell(driven.id, priority=driven.priority, payer=driven.payer)], False
            if recorded is None:
                recovery.count(tx, fenced=1)
                return [], False
            if failed:
                agents.drop_open(tx, [driven.id])
            own.call = recorded.own
        bells = [chain_bell(links, priority=recorded.priority, payer=driven.payer) for links in recorded.chains]
        bells += own.unclaimed  # its agent was paused, and may have been resumed already
        for child in progress.children:
            payer = Payer(child["root_id"], child["tenant"], child["program"])
            inherits = child["priority"] == driven.priority
            priority = recorded.priority if inherits else child["priority"]
            bells.append(agent_bell(child["id"], priority=priority, payer=payer))
        if recorded.again:
            bells.append(agent_bell(driven.id, priority=recorded.priority, payer=driven.payer))
        if recorded.awaited or (driven.parent_id is not None and progress.outcome is not None):
            self._wake_parents(driven.id)  # a parent's, too, that began to wait while this one's end was written
        return bells, True

    def known_programs(self) -> set[str]:
        """Names of the programs that this process or any other has loaded."""
        with self.database.statement() as tx:
            told = {row["name"] for row in workers.known_programs(tx) if not row["error"]}
        return told | set(self.programs)

    def _wake_parents(self, child: UUID) -> None:
        with suppress(DatabaseUnavailable):  # the recovery tick does the same
            answer_waits(self.database, self.dispatch, child)


@dataclass
class _Issuer:
    """Answers a program's new requests: locals at once, the rest with a plan; within the agent's rights and budgets."""

    drive: Drive
    driven: Driven
    program: Program
    entries: Mapping[str, Entry]

    def __post_init__(self) -> None:
        drive = self.drive
        self.children: list[JsonObject] = []
        self.guard = Guard(
            self.driven, drive.rules, drive.database, drive.tools, drive.settings.access, self.entries, self.children
        )
        self._steps = self.driven.steps
        self._planner = Planner(
            tools=self.drive.tools,
            program=self.program.name,
            declared=self.program.tools,
            llm_seconds=self.drive.settings.llm.deadline_seconds,
            slice_tokens=self.drive.settings.llm.slice_tokens,
            reply_tokens=self.drive.settings.llm.max_tokens,
        )

    def __call__(self, request: Request[Any]) -> Json | tuple[Call, ...]:
        self._steps += 1
        self._charge("steps", self._steps)
        self._charge("tokens", self.driven.tree_tokens)
        if request.local is not None:
            return json.loads(self.drive.fitting(request.local(), what=f"the result of {request.name}"))
        self.drive.bounded(request.text, what=f"an argument of {request.name}")
        if request.messages:
            self.drive.fitting(request.messages[-1], what=f"the last message of {request.name}")
        try:
            if request.name == "agent.spawn":
                self.guard.admit(request)
                return self._spawn(request)
            if request.name == "access.check":
                return self.guard.check(**request.args)
            return self.guard.plan(request, self._planner.plan)
        except DatabaseUnavailable as error:  # no outcome of the request: the drive is done again
            raise Interrupted from error

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
            "id": str(child),
            "root_id": str(self.driven.root_id),
            "program": name,
            "task": request.args["task"],
            "priority": self.driven.priority if given is None else given,
            "tenant": self.driven.tenant,
            "budgets": self.driven.budgets,
            "owner": self.driven.owner,
            "groups": list(self.driven.groups),
        }
        self.children.append(row)
        return str(child)


async def _raising(error: Exception) -> Json:
    raise error


def answer_waits(database: Database, dispatch: Dispatch, child: UUID | None = None) -> int:
    """Answer the waits for ended children (one child, or all): their parents may go on. How many there were."""
    with database.statement() as tx:
        found = recovery.waits(tx, child)
    for row in found:
        error: AiosError | None = None
        if row.state != AgentState.DONE:
            text = str(from_json(row.error)) if row.error else "cancelled"
            error = ChildFailed(str(row.child), row.state, text)
        result = row.result["value"] if row.result else None
        with database.transaction() as tx:
            woken = syscalls.answer(tx, id=row.id, agent_id=row.agent_id, result=result, error=error)
            standing = agents.standing(tx, row.agent_id)
        if woken:
            dispatch.ring(add=[agent_bell(row.agent_id, **standing._asdict())])
    return len(found)
