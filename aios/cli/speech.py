"""What an agent's models say, as it is printed: a heading per LLM syscall, then its text as it comes."""

import sys
import time
from typing import TYPE_CHECKING, TextIO

from aios.cli import screen
from aios.errors import DatabaseUnavailable
from aios.sdk.stream import Begun, Ended, Said, Silence, TakenBack

if TYPE_CHECKING:
    from aios.sdk.client import Client
    from aios.sdk.stream import Event

_LOOK_SECONDS = 1.0
_SHOWN_SYSCALLS = 3
_FINAL = frozenset({"done", "failed", "unknown", "cancelled"})


class Speech:
    """Prints the events of one agent.

    Attributes:
        begun: whether a text is being written, so that nothing else may be printed now.
    """

    def __init__(self, to: TextIO) -> None:
        self._to = to
        self._heading = ""
        self._line_open = False
        self.begun = False

    def show(self, event: "Event") -> None:
        """Print what an event adds."""
        match event:
            case Begun(seq, op):
                self._heading = f"--- {seq} llm.{op}"
            case Said(text):
                self._write(text)
            case TakenBack(kept):
                self._write(f"\n--- once more, as its worker died:\n{kept}")
            case Ended(state):
                self._end(state)
            case Silence():
                pass

    def _end(self, state: str) -> None:
        if state != "done":
            self._write(f" ({state})" if self._line_open else f"({state})")
        elif self._heading:
            self._write("(no text)")
        if self._line_open:
            self._write("\n")
        self.begun = False

    def _write(self, text: str) -> None:
        if self._heading:
            self._to.write(f"{self._heading}\n")
            self._heading = ""
            self.begun = True
        self._to.write(screen.safe(text, to=self._to))
        self._to.flush()
        self._line_open = not text.endswith("\n")


def watch(client: "Client", agent: str, *, until: float | None) -> None:
    """Show an agent's words on standard error, with a spinner while nobody speaks.

    Args:
        client: of the agent's system.
        agent: its id.
        until: stop watching at this `time.monotonic()`; None: when it has ended.
    """
    from rich.console import Console

    speech = Speech(sys.stderr)
    looked = 0.0
    with Console(stderr=True).status(f"agent {agent}") as spinner:
        for event in client.watch(agent):
            if isinstance(event, Said | TakenBack | Ended):
                spinner.stop()
                speech.show(event)
            elif isinstance(event, Begun):
                speech.show(event)
            elif not speech.begun and time.monotonic() - looked > _LOOK_SECONDS:
                spinner.update(state_line(client, agent))
                spinner.start()
                looked = time.monotonic()
            if until is not None and time.monotonic() > until:
                return


def state_line(client: "Client", agent: str) -> str:
    """Where an agent is, on one line."""
    try:
        row = client.get(agent)
        open_ = [call for call in client.journal(agent) if call["state"] not in _FINAL]
    except DatabaseUnavailable as error:
        return f"agent {agent}: {error}"
    calls = ", ".join(f"{call['pool']}.{call['op']} {call['state']}" for call in open_[:_SHOWN_SYSCALLS])
    return f"agent {agent} {row['state']}" + (f": {calls}" if calls else "")
