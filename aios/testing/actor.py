"""One agent of a program under test: driven like a real one, by replay from its first line, with its journal in memory."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from aios.errors import AiosError, BudgetSpent, ChildFailed, FinalError, ProgramBroke
from aios.kernel.agent import Agent
from aios.kernel.ids import new_id
from aios.kernel.plan import Call, Planner
from aios.kernel.replay import Continued, Entry, Issued, Outcome, Raised, Returned, Run
from aios.kernel.values import canonical
from aios.kernel.words import Pool, SyscallState

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from aios.kernel.program import Program
    from aios.kernel.request import Request
    from aios.kernel.values import Json
    from aios.testing.stage import Stage


@dataclass
class Line:
    """One request in a journal.

    Attributes:
        seq: its number; inside a `gather` `4.1.2`.
        name: such as `llm.chat`.
        result: what the program got; None while it is open, or if it got an error.
    """

    seq: str
    name: str
    arguments: Json
    result: Any = None
    error: AiosError | None = None


@dataclass
class _Open:
    """A request that nothing but time or a child answers."""

    issued: Issued
    due: datetime | None = None
    child: Actor | None = None


@dataclass
class Actor:
    """An agent: its program, its journal, and what it waits for."""

    stage: Stage
    program: Program
    task: Json
    parent: UUID | None = None
    id: UUID = field(default_factory=new_id)
    lines: list[Line] = field(default_factory=list)
    outcome: Outcome | None = None
    _journal: dict[str, Entry] = field(default_factory=dict)
    _lines: dict[str, Line] = field(default_factory=dict)
    _answers: dict[str, Entry] = field(default_factory=dict)
    _open: list[_Open] = field(default_factory=list)
    _begun: bool = False

    @property
    def due(self) -> list[datetime]:
        """When its sleeps end."""
        return [one.due for one in self._open if one.due is not None and self.outcome is None]

    def turn(self) -> bool:
        """Go on if there is something new for it; whether there was.

        Of several answers the later asked ones come first, half of them at a time: branches of a `gather` end in another
        order than the one they are replayed in, as they do on real workers.
        """
        self._wake()
        if self.outcome is not None or (self._begun and not self._answers):
            return False
        news = list(self._answers)
        for seq in news[len(news) // 2 :]:
            self._journal[seq] = self._answers.pop(seq)
        self._begun = True
        self._drive()
        return True

    def _wake(self) -> None:
        for one in list(self._open):
            if one.due is not None and one.due <= self.stage.now:
                self._answer(one.issued, [None])
            elif one.child is not None and one.child.outcome is not None:
                self._hear(one.issued, one.child, one.child.outcome)
            else:
                continue
            self._open.remove(one)

    def _hear(self, issued: Issued, child: Actor, outcome: Outcome) -> None:
        if isinstance(outcome, Returned):
            self._answer(issued, [outcome.value])
        elif isinstance(outcome, Raised):
            self._answer(issued, error=ChildFailed(str(child.id), "failed", str(outcome.error)))

    def _drive(self) -> None:
        """Run the program from its first line as far as its journal reaches."""
        program = self.program
        agent = Agent(
            id=self.id, tools=program.tools, parent_id=self.parent, context=program.context, memory=program.memory
        )
        run = Run(program.start(agent, copied(self.task)))
        try:
            issued = run.advance(self._read(), self._issue)
            if run.outcome is None:
                run.evict()
        except Exception as error:  # noqa: BLE001  # it ends the agent, as in a worker
            with suppress(ProgramBroke):
                run.evict()
            self.outcome = Raised(
                error if isinstance(error, AiosError) else FinalError(f"{type(error).__name__}: {error}")
            )
            return
        for one in issued:
            self._record(one)
        if isinstance(run.outcome, Continued):
            self.task, self._begun = run.outcome.task, False
            self._journal, self._answers, self._open = {}, {}, []
        else:
            self.outcome = run.outcome

    def _read(self) -> dict[str, Entry]:
        """The journal as from a database: what a program does to a result does not reach the next replay."""
        return {
            seq: replace(entry, results=copied(entry.results)) if entry.results else entry
            for seq, entry in self._journal.items()
        }

    def _issue(self, request: Request[Any]) -> Json | tuple[Call, ...]:
        self.stage.steps += 1
        if self.stage.steps > self.stage.most_steps:
            raise BudgetSpent("steps", self.stage.most_steps, self.stage.steps)
        if request.local is not None:
            return copied(self.stage.local(request), what=f"the result of {request.name}")
        if request.name == "agent.spawn":
            return str(self.stage.spawn(request.args["program"], request.args["task"], parent=self.id).id)
        if request.resource == "access":
            return (Call(Pool.AGENT, request.name, request.args, state=SyscallState.WAITING),)
        planner = Planner(self.stage.registry.infos(), self.program.name, self.program.tools)
        return planner.plan(request)

    def _record(self, issued: Issued) -> None:
        line = Line(issued.seq, issued.request.name, copied(issued.request.args))
        self.lines.append(line)
        self._lines[issued.seq] = line
        self._journal[issued.seq] = issued.entry or Entry(issued.digest, issued.request.label, open=True)
        if issued.entry is not None:
            self._write(issued, issued.entry)
            return
        try:
            self._do(issued, issued.plan[0])
        except AiosError as error:
            self._answer(issued, error=error)

    def _do(self, issued: Issued, call: Call) -> None:
        if call.state is not SyscallState.WAITING:
            self._answer(issued, self.stage.perform(self, issued.plan, messages=issued.request.messages or ()))
        elif call.delay_seconds is not None:
            self._open.append(_Open(issued, due=self.stage.now + timedelta(seconds=call.delay_seconds)))
        elif call.waits_for is not None:
            self._open.append(_Open(issued, child=self.stage.agent(call.waits_for)))
        else:
            self._answer(issued, [self.stage.asked(call)])

    def _answer(self, issued: Issued, results: list[Json] | None = None, *, error: AiosError | None = None) -> None:
        entry = Entry(issued.digest, issued.request.label, results=results or [], error=error)
        self._answers[issued.seq] = entry
        self._write(issued, entry)

    def _write(self, issued: Issued, entry: Entry) -> None:
        line = self._lines[issued.seq]
        line.error = entry.error
        line.result = None if entry.error else issued.request.decode(copied(entry.results))


def copied(value: Json, *, what: str = "value") -> Json:
    """The value as it comes out of a journal: nobody else holds a part of it."""
    return json.loads(canonical(value, what=what))
