"""`aios submit` and `aios run`: start an agent, and go away or watch it until it has ended."""

import json
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from aios.cli import results, screen
from aios.cli.options import AsJson, DataDir, Program, connect
from aios.errors import InvalidArgument

if TYPE_CHECKING:
    from aios.kernel.values import Json
    from aios.sdk.client import Client, Result

_PANEL = "Agents"

Task = Annotated[str, typer.Argument(help="What to do: a text, or `-` to read it from standard input.")]
AsValue = Annotated[bool, typer.Option("--json-task", help="The task is a JSON value, not a text.")]
Priority = Annotated[int, typer.Option("--priority", "-p", help="0 (most urgent) to 9.")]
Budgets = Annotated[
    list[str] | None,
    typer.Option(
        "--budget", "-b", metavar="NAME=LIMIT", help="`tokens`, `steps`, `children` or `seconds`; may be repeated."
    ),
]
Owner = Annotated[str, typer.Option("--owner", help="The user whom it works for.")]
Tenant = Annotated[
    str, typer.Option("--tenant", help="Whose it is: tenants share cores by weight, and may have limits.")
]
Groups = Annotated[
    list[str] | None, typer.Option("--group", "-g", help="A group whose data it shares; may be repeated.")
]
Key = Annotated[str | None, typer.Option("--key", help="A second submit with the same key starts nothing new.")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command(rich_help_panel=_PANEL)(run)
    app.command(rich_help_panel=_PANEL)(submit)


def submit(
    program: Program,
    task: Task,
    *,
    priority: Priority = 5,
    budget: Budgets = None,
    key: Key = None,
    owner: Owner = "",
    tenant: Tenant = "default",
    group: Groups = None,
    json_task: AsValue = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Start an agent and print its id; it runs whether anybody watches or not.

    Example: aios submit react "What is 6 * 7?" --priority 2 --budget tokens=5000
    """
    with connect(data_dir) as client:
        agent = _submit(
            client,
            program,
            task,
            priority=priority,
            budget=budget,
            key=key,
            owner=owner,
            tenant=tenant,
            group=group,
            json_task=json_task,
        )
    if as_json:
        screen.show_json({"id": agent})
    else:
        print(agent)


def run(
    program: Program,
    task: Task,
    *,
    priority: Priority = 5,
    budget: Budgets = None,
    key: Key = None,
    owner: Owner = "",
    tenant: Tenant = "default",
    group: Groups = None,
    timeout: Annotated[float | None, typer.Option(min=0, help="Stop waiting after this many seconds.")] = None,
    json_task: AsValue = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Start an agent, show what its models say as they say it, and print its result.

    Ctrl-C stops the watching, never the agent.

    Example: aios run echo "Say hello."
    """
    with connect(data_dir) as client:
        agent = _submit(
            client,
            program,
            task,
            priority=priority,
            budget=budget,
            key=key,
            owner=owner,
            tenant=tenant,
            group=group,
            json_task=json_task,
        )
        with results.interruptible(agent):
            found = _watched(client, agent, timeout=timeout, show=not as_json)
    results.tell(found, as_json=as_json)


def _watched(client: "Client", agent: str, *, timeout: float | None, show: bool) -> "Result":
    if not show or not screen.is_terminal():
        if show:
            screen.say(f"agent {agent}")
        return client.result(agent, timeout=timeout)
    from aios.cli.speech import watch

    end = None if timeout is None else time.monotonic() + timeout
    watch(client, agent, until=end)
    screen.say("--- result")
    return client.result(agent, timeout=0)


def _submit(
    client: "Client",
    program: str,
    task: str,
    *,
    priority: int,
    budget: list[str] | None,
    key: str | None,
    owner: str,
    tenant: str,
    group: list[str] | None,
    json_task: bool,
) -> str:
    return client.submit(
        program,
        task_value(task, as_value=json_task),
        priority=priority,
        budgets=dict(_budget(item) for item in budget or []),
        idempotency_key=key,
        owner=owner,
        tenant=tenant,
        groups=group or (),
    )


def task_value(given: str, *, as_value: bool) -> "Json":
    """The task that an argument names: itself, or what is on standard input, and perhaps a JSON value."""
    text = sys.stdin.read() if given == "-" else given
    if not as_value:
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument("task", screen.shortened(text), f"it is no JSON ({error})") from error


def _budget(item: str) -> tuple[str, float]:
    name, equals, limit = item.partition("=")
    try:
        number = float(limit)
    except ValueError as error:
        raise InvalidArgument("budget", item, "give NAME=NUMBER, such as tokens=5000") from error
    if not equals:
        raise InvalidArgument("budget", item, "give NAME=NUMBER, such as tokens=5000")
    return name, int(number) if number.is_integer() else number
