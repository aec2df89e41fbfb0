"""What one can do to an agent that runs or has failed: kill, pause, resume, nice, answer, retry."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Annotated

import typer

from aios.cli import screen
from aios.cli.options import AgentId, AsJson, DataDir, connect
from aios.errors import InvalidArgument

_PANEL = "Agents"

Agents = Annotated[
    list[str] | None,
    typer.Argument(metavar="[AGENT...]", help="Ids, parts of 6 or more characters, or `last`.", show_default=False),
]
Tenant = Annotated[str | None, typer.Option(help="All agents of this tenant.")]
Group = Annotated[str | None, typer.Option(help="All agents of this group.")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    for command in (kill, pause, resume, nice, questions, answer, retry):
        app.command(rich_help_panel=_PANEL)(command)


def kill(agents: Agents = None, *, tenant: Tenant = None, group: Group = None, data_dir: DataDir = None) -> None:
    """Cancel agents and their children, durably: it works with all workers down.

    Example: aios kill last
    """
    with connect(data_dir) as client:
        _print(_chosen_agents(client.cancel, client.cancel_all, client.find, agents, tenant=tenant, group=group))


def pause(agents: Agents = None, *, tenant: Tenant = None, group: Group = None, data_dir: DataDir = None) -> None:
    """Start nothing more of agents and their children, durably; what runs ends.

    A tenant or group stays paused for what is submitted later, too, until it is resumed.

    Example: aios pause last
    """
    with connect(data_dir) as client:
        _print(_chosen_agents(client.pause, client.pause_all, client.find, agents, tenant=tenant, group=group))


def resume(agents: Agents = None, *, tenant: Tenant = None, group: Group = None, data_dir: DataDir = None) -> None:
    """Let paused agents and their children go on.

    Example: aios resume last
    """
    with connect(data_dir) as client:
        _print(_chosen_agents(client.resume, client.resume_all, client.find, agents, tenant=tenant, group=group))


def nice(
    agent: AgentId,
    priority: Annotated[int, typer.Argument(help="0 (most urgent) to 9.")],
    *,
    data_dir: DataDir = None,
) -> None:
    """Give an agent and its children another priority; what they have waiting moves at once.

    Example: aios nice last 0
    """
    with connect(data_dir) as client:
        for changed in client.nice(client.find(agent), priority):
            print(changed)


def questions(*, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """List the questions of agents that wait for a human.

    Example: aios questions
    """
    with connect(data_dir) as client:
        rows = client.questions()
    if as_json:
        names = ("agent_id", "program", "seq", "question", "choices")
        screen.show_json([{name: row[name] for name in names} for row in rows])
        return
    cells = [
        (row["agent_id"], row["program"], row["seq"], row["question"], screen.shortened(row["choices"] or ""))
        for row in rows
    ]
    screen.show_table(("AGENT", "PROGRAM", "SEQ", "QUESTION", "CHOICES"), cells)


def answer(
    agent: AgentId,
    text: Annotated[str, typer.Argument(help="The answer.")],
    *,
    seq: Annotated[str | None, typer.Option(help="Of which question; default: the oldest.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Answer an agent's question; it goes on at once.

    Example: aios answer last "yes"
    """
    with connect(data_dir) as client:
        id_ = client.find(agent)
        asked = [row for row in client.questions(id_) if seq in (None, row["seq"])]
        choices = asked[0]["choices"] if asked else None
        client.answer(id_, _chosen(text, choices or []), seq=seq)
    screen.say(f"agent {id_} goes on")


def retry(agent: AgentId, *, data_dir: DataDir = None) -> None:
    """Let a failed agent go on from its journal, as after a fix of its program.

    Example: aios retry last
    """
    with connect(data_dir) as client:
        id_ = client.find(agent)
        client.retry(id_)
    screen.say(f"agent {id_} goes on")


def _chosen(text: str, choices: list[object]) -> object:
    """The choice that a text means, since a choice may be a number; otherwise the text itself."""
    return next((choice for choice in choices if text in (choice, json.dumps(choice))), text)


def _chosen_agents(
    one: Callable[[str], Sequence[str]],
    all_: Callable[..., Sequence[str]],
    find: Callable[[str], str],
    agents: Sequence[str] | None,
    *,
    tenant: str | None,
    group: str | None,
) -> Iterator[str]:
    """Do it to the agents that are named, or to all of the tenant or group; the ids of those it was done to."""
    if bool(agents) + (tenant is not None) + (group is not None) != 1:
        raise InvalidArgument("agents", list(agents or []), "name agents, or give --tenant or --group")
    if not agents:
        yield from all_(tenant=tenant, group=group)
    for agent in agents or ():
        yield from one(find(agent))


def _print(ids: Iterable[str]) -> None:
    none = True
    for id_ in ids:
        none = False
        print(id_)
    if none:
        screen.say("it concerned no agent")
