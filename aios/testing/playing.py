"""`play`: run a program in a test, in milliseconds, without a server, and replay it at every step as a crash would."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aios.errors import ProgramFailed
from aios.kernel import paths
from aios.kernel.plan import Call
from aios.kernel.replay import Raised, Returned
from aios.kernel.resources.llm import LLM
from aios.kernel.resources.memory import Memory
from aios.kernel.resources.storage import Storage
from aios.kernel.submission import check_task
from aios.kernel.words import Pool
from aios.settings import LimitSettings
from aios.testing.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aios.errors import AiosError
    from aios.kernel.ports import Prompt
    from aios.kernel.program import Program
    from aios.kernel.request import Request
    from aios.kernel.values import Json
    from aios.testing.actor import Actor, Line
    from aios.testing.model import Answers
    from aios.testing.stage import Human
    from aios.testing.tools import Given

_NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Played:
    """What a program came to in `play`.

    Attributes:
        error: what it ended with; None: it returned.
        journal: every request that it made, in order.
        asked: every prompt that the model was sent, by the program and its children.
        files: what its own files hold now, by path relative to its folder; others by their whole path.
        memories: what is remembered now, oldest first.
        children: what the agents that it spawned came to.
        time: that would have passed, had anybody waited for the sleeps.
    """

    def __init__(self, stage: Stage, actor: Actor) -> None:
        home, outcome = paths.folder(actor.id), actor.outcome
        self._value = outcome.value if isinstance(outcome, Returned) else None
        self.error: AiosError | None = outcome.error if isinstance(outcome, Raised) else None
        self.journal: list[Line] = actor.lines
        self.asked: list[Prompt] = stage.model.asked
        self.files = {path.removeprefix(home): data for path, data in stage.files.contents().items()}
        self.memories: list[str] = [note["content"] for note in stage.memory.notes.values()]
        self.children = [Played(stage, child) for child in stage.actors if child.parent == actor.id]
        self.time = stage.now - stage.began

    @property
    def result(self) -> Json:
        """What the program returned.

        Raises:
            AiosError: the error that it ended with; `NondeterminismError` if it asks for something else when it is replayed.
        """
        if self.error is not None:
            raise self.error
        return self._value


def play(
    program: Program,
    task: Json = "do it",
    *,
    llm: Answers = (),
    tools: Given = (),
    answers: Human = (),
    programs: Sequence[Program] = (),
    files: Mapping[str, str | bytes] | None = None,
    memories: Sequence[str] = (),
    now: datetime = _NOON,
    seed: int = 0,
    steps: int = 10_000,
) -> Played:
    """Run a program here, as a worker would but for the servers: its own kernel, fakes of the pools, no waiting.

    After each answer the program runs again from its first line, as after a crash of its worker: one that does something
    else then ends with `NondeterminismError`.

    Args:
        program: declared with `@program`.
        task: what it is given.
        llm: what the model says: one answer to everything, a list with one per call, or a function of the prompt. An answer
            is a text, a dict (for replies to a schema), a `ToolCall`, a `Reply`, or an `AiosError` to be raised.
        tools: real tools and typed functions, whose arguments are checked as by the tool pool; or a dict of functions by
            name that stand for tools. `calculator` and `text` are there anyway.
        answers: what a human answers to `agent.ask`: a list, or a function of the question.
        programs: what it may spawn, beside itself.
        files: its own files at the beginning, by path.
        memories: its notes at the beginning.
        now: the time at the beginning.
        seed: of `agent.random` and `agent.uuid`.
        steps: so many requests at most, all agents together; then they end with `BudgetSpent`.

    Raises:
        InvalidArgument: the task says nothing, or a tool is none.
        NotFaked: the program asks for what the test gave no answer to, or for what only a real system does.
    """
    check_task(task, limits=LimitSettings())
    stage = Stage([program, *programs], llm=llm, tools=tools, answers=answers, now=now, seed=seed, most_steps=steps)
    actor = stage.spawn(program.name, task)
    before: list[Request[Any]] = [Memory().add(content) for content in memories]
    before += [Storage(LLM()).write(path, content) for path, content in (files or {}).items()]
    for request in before:
        stage.perform(actor, [Call(Pool(request.resource), request.op, request.args)])
    stage.run()
    played = Played(stage, actor)
    if isinstance(played.error, ProgramFailed):
        played.error.add_note(str(played.error.args[2]))  # where, in the program
    return played
