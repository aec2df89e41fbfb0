"""`aios approvals`, `approve`, `deny`: what agents may not do before a human has said yes."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from aios.cli import screen
from aios.cli.options import AsJson, DataDir, connect
from aios.errors import InvalidArgument

if TYPE_CHECKING:
    from aios.kernel.values import JsonObject

_PANEL = "Access"
_NAMES = (
    "id", "agent_id", "program", "kind", "operation", "resource", "arguments", "edited", "version", "state", "note",
    "decided_by", "created_at", "expires_at", "decided_at",
)  # fmt: skip

Approval = Annotated[str, typer.Argument(help="Its id, 6 or more characters that begin or end it, or `last`.")]
Note = Annotated[str, typer.Option(help="Kept with the answer; a refused program sees it.")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    for command in (approvals, approve, deny):
        app.command(rich_help_panel=_PANEL)(command)


def approvals(
    *,
    every: Annotated[bool, typer.Option("--all", help="Answered ones too.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """List what waits for a human: operations that cannot be taken back, with their arguments.

    The table `[access]` of config/aios.toml says which operations ask.

    Example: aios approvals
    """
    with connect(data_dir) as client:
        rows = client.approvals(every=every)
    if as_json:
        screen.show_json([{name: row[name] for name in _NAMES} for row in rows])
        return
    cells = [
        (
            row["id"],
            row["state"],
            row["program"],
            row["operation"],
            row["resource"],
            "" if row["version"] is None else row["version"],
            screen.shortened(row["edited"] or row["arguments"]),
            screen.ago(row["created_at"]),
        )
        for row in rows
    ]
    screen.show_table(("ID", "STATE", "PROGRAM", "OPERATION", "RESOURCE", "VERSION", "ARGUMENTS", "ASKED"), cells)


def approve(
    approval: Approval,
    *,
    note: Note = "",
    edit: Annotated[
        str | None,
        typer.Option(metavar="JSON", help="Change arguments first: an object laid over those that are shown."),
    ] = None,
    version: Annotated[
        int | None, typer.Option(help="Of the file as it is now, if it has changed since the question.")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Let an operation happen, perhaps with other arguments; its agent goes on.

    Example: aios approve 3f9c21 --note "checked" --edit '{"arguments": {"amount": 10}}'
    """
    with connect(data_dir) as client:
        id_ = client.find_approval(approval)
        client.approve(id_, note=note, edit=None if edit is None else _object(edit), version=version)
    screen.say(f"approved {id_}")


def deny(approval: Approval, *, note: Note = "", data_dir: DataDir = None) -> None:
    """Refuse an operation; its agent goes on with an error that its program may catch.

    Example: aios deny 3f9c21 --note "not before Monday"
    """
    with connect(data_dir) as client:
        id_ = client.find_approval(approval)
        client.deny(id_, note=note)
    screen.say(f"denied {id_}")


def _object(text: str) -> "JsonObject":
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument("edit", screen.shortened(text), f"it is no JSON ({error})") from error
    if not isinstance(value, dict):
        raise InvalidArgument("edit", screen.shortened(text), 'give a JSON object, such as {"content": "..."}')
    return value
