"""`aios shell`: commands in plain words, done on files by an agent that asks before it changes one."""

import sys
import time
from typing import TYPE_CHECKING, Annotated, Final

import typer

from aios.cli import boundary, screen
from aios.cli.options import AsJson, DataDir, connect
from aios.errors import FinalError, NotFound
from aios.sdk.waiting import Waiting

if TYPE_CHECKING:
    from aios.kernel.values import Json, JsonObject
    from aios.sdk.client import Client

_MOST_SESSIONS: Final = 1000
_LEAVE: Final = frozenset({"exit", "quit", "bye"})


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(rich_help_panel="Data")(shell)


def shell(
    command: Annotated[
        list[str] | None, typer.Argument(help="What to do; without it, a prompt asks again and again.")
    ] = None,
    *,
    session: Annotated[str, typer.Option(help="Each session has files of its own, which stay.")] = "default",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Agree to plans that change files.")] = False,
    timeout: Annotated[float, typer.Option(min=0.1, help="Wait this many seconds for the model.")] = 600.0,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Say in plain words what to do with files: a model makes a plan of it, which is shown, asked about, and done.

    The session is an agent, and the files are its own; `aios fs ls @AGENT` shows them, and a grant lets it reach others.

    Example: aios shell "put a shopping list with milk and bread into list.txt"
    """
    with connect(data_dir) as client:
        talk = Talk(client, session=session, yes=yes, seconds=timeout)
        if command:
            report = talk.say(" ".join(command))
            screen.show_json({"agent": talk.agent, "report": report}) if as_json else print(screen.as_text(report))
            if talk.unanswered:
                raise typer.Exit(1)
        else:
            _converse(talk)


class Talk:
    """One session: the agent's questions are its reports, what is typed are the answers.

    Attributes:
        unanswered: a plan was not done because nobody was there to say yes.
    """

    def __init__(self, client: "Client", *, session: str, yes: bool, seconds: float) -> None:
        """Find the session's agent, or start one."""
        self._client = client
        self._yes = yes
        self._seconds = seconds
        self.unanswered = False
        self.agent = self._living(session)

    def say(self, command: str) -> str:
        """Give a command; gives the report. A plan that changes files is shown and asked about first."""
        self._answer(self._question(), command)
        question = self._question()
        while question["choices"]:
            self._answer(question, "yes" if self._agreed(question["question"]) else "no")
            question = self._question()
        return str(question["question"])

    def _living(self, session: str) -> str:
        """A session whose agent has ended goes on with another one."""
        for number in range(_MOST_SESSIONS):
            agent = self._client.submit("shell", {}, idempotency_key=f"shell:{session}:{number}")
            if not self._client.result(agent, timeout=0).ended:
                return agent
        raise FinalError(f"{_MOST_SESSIONS} agents of session {session!r} have ended; give another --session")

    def _question(self) -> "JsonObject":
        """The agent's open question, when it has one."""
        waiting = Waiting(self._seconds, self._client)
        while not waiting.over:
            with waiting.patient():
                found = self._client.questions(self.agent)
                if found:
                    return found[0]
                result = self._client.result(self.agent, timeout=0)
                if result.ended:
                    result.unwrap()
                    raise FinalError(f"the session's agent {self.agent} has ended")
            time.sleep(waiting.pause())
        raise FinalError(
            f"agent {self.agent} has said nothing for {self._seconds:.0f} s; does a worker run? see `aios ps`"
        )

    def _answer(self, question: "JsonObject", answer: "Json") -> None:
        self._client.answer(self.agent, answer, seq=question["seq"])

    def _agreed(self, plan: str) -> bool:
        screen.say(screen.safe(plan, to=sys.stderr))
        if self._yes:
            return True
        if not sys.stdin.isatty():
            boundary.complain("nobody is there to say yes; give --yes to agree to such plans")
            self.unanswered = True
            return False
        return typer.confirm("Do it?", default=False, err=True)


def _converse(talk: Talk) -> None:
    screen.say(f"session of agent {talk.agent}; its files: aios fs ls @{talk.agent}. `exit` leaves; the session stays.")
    while True:
        try:
            command = input("aios> ").strip()
        except (EOFError, KeyboardInterrupt):
            print()
            return
        if command in _LEAVE:
            return
        if command:
            _try(talk, command)


def _try(talk: Talk, command: str) -> None:
    try:
        print(screen.as_text(talk.say(command)))
    except NotFound as error:  # somebody else has answered meanwhile
        boundary.complain(str(error))
