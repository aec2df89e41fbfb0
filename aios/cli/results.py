"""Waiting for an agent: its models' words as they come, then its result; and `aios result`, `aios logs`."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from aios.cli import boundary, screen
from aios.cli.options import AgentId, AsJson, DataDir, connect

if TYPE_CHECKING:
    from aios.sdk.client import Client, Result

_PANEL = "Agents"


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command(rich_help_panel=_PANEL)(result)
    app.command(rich_help_panel=_PANEL)(logs)


def result(
    agent: AgentId,
    *,
    timeout: Annotated[
        float | None,
        typer.Option(min=0, help="Wait this many seconds at most; 0 only looks. Default: until it has ended."),
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Wait until an agent has ended and print its result; the exit code is 0 only if it is done.

    Example: aios result last --timeout 30
    """
    with connect(data_dir) as client:
        id_ = client.find(agent)
        with interruptible(id_):
            found = _wait(client, id_, timeout=timeout, spin=screen.is_terminal() and not as_json)
    tell(found, as_json=as_json)


def logs(
    agent: AgentId,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the agent has ended.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Print what an agent's models said, one LLM syscall after the other; with -f as they say it.

    Example: aios logs -f last
    """
    from aios.cli.speech import Speech

    with connect(data_dir) as client:
        id_ = client.find(agent)
        with interruptible(id_):
            speech = Speech(sys.stdout)
            for event in client.watch(id_, wait=follow):
                speech.show(event)


def tell(found: "Result", *, as_json: bool) -> None:
    """Print how an agent ended, and exit with 1 if it is not done."""
    if as_json:
        screen.show_json(found.to_json())
    elif found.state == "done":
        print(screen.as_text(found.value))
    elif found.error:
        boundary.complain(f"agent {found.id} {found.state}: {found.error['type']}: {found.error['message']}")
    elif found.ended:
        boundary.complain(f"agent {found.id} was {found.state}")
    else:
        boundary.complain(
            f"agent {found.id} has not ended, it is {found.state}; look again with `aios result {found.id}`"
        )
    if found.state != "done":
        raise typer.Exit(boundary.OTHER_ERROR)


def _wait(client: "Client", agent: str, *, timeout: float | None, spin: bool) -> "Result":
    if not spin or timeout == 0:
        return client.result(agent, timeout=timeout)
    from rich.console import Console

    from aios.cli.speech import state_line
    from aios.sdk.waiting import Waiting

    waiting = Waiting(timeout, client)
    with Console(stderr=True).status(f"agent {agent}") as spinner:
        while True:
            with waiting.patient():
                found = client.result(agent, timeout=0)
                if found.ended or waiting.over:
                    return found
                spinner.update(state_line(client, agent))
            time.sleep(waiting.pause())


@contextmanager
def interruptible(agent: str) -> Iterator[None]:
    """Ctrl-C leaves the agent running, and says how to look at it again."""
    try:
        yield
    except KeyboardInterrupt:
        print(file=sys.stderr)
        screen.say(f"agent {agent} goes on; see `aios logs -f {agent}`, `aios result {agent}`, or `aios kill {agent}`")
        raise typer.Exit(boundary.INTERRUPTED) from None
