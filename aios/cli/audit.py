"""`aios audit`: what was denied, asked, approved, granted and done for good; and whether the log is as it was written."""

from typing import Annotated

import typer

from aios.cli import screen
from aios.cli.options import AsJson, DataDir, connect
from aios.errors import InvalidArgument

_ALTERED = 1

audit = typer.Typer(help="Read the audit log, and verify that nobody has changed it.", invoke_without_command=True)


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.add_typer(audit, name="audit", rich_help_panel="Access")


@audit.callback()
def show(
    ctx: typer.Context,
    *,
    action: Annotated[
        str | None, typer.Option(help="`denied`, `approval`, `granted`, `revoked`, `joined`, `left`, `irreversible`.")
    ] = None,
    agent: Annotated[str | None, typer.Option(help="Of one agent.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many, the newest first.")] = 50,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Print the newest rows of the audit log.

    Example: aios audit --action denied --limit 10
    """
    if ctx.invoked_subcommand is not None:
        return
    with connect(data_dir) as client:
        rows = client.audit(action=action, agent=client.find(agent) if agent else None, limit=limit)
    if as_json:
        screen.show_json(list(rows))
        return
    cells = [
        (row["id"], row["at"], row["actor"], row["action"], row["resource"], screen.shortened(row["detail"]))
        for row in rows
    ]
    screen.show_table(("ROW", "AT", "ACTOR", "ACTION", "RESOURCE", "DETAIL"), cells)


@audit.command()
def verify(
    *,
    head: Annotated[
        str | None, typer.Option(metavar="HASH", help="A head that was noted earlier: it must still be in the chain.")
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Compare every row with the chain of hashes; exit code 1 if a row was changed, removed or inserted.

    Whoever owns the database could write a whole new chain: note the head elsewhere now and then, and give it here.

    Example: aios audit verify
    """
    with connect(data_dir) as client:
        found = client.verify_audit()
    cut = head is not None and _hash(head) not in found.heads
    if as_json:
        told = found.to_json()
        screen.show_json({**told, "good": found.good and not cut, "head_found": None if head is None else not cut})
    else:
        for what in ("changed", "removed", "inserted"):
            for row in getattr(found, what):
                print(f"row {row} was {what}")
        for position in found.broken:
            print(f"link {position} of the chain was removed")
        if cut:
            print(f"the head {head} is not in the chain: it was written anew, or cut off before")
        state = "as it was written" if found.good and not cut else "ALTERED"
        print(f"{found.rows} rows, {found.unsealed} of them not sealed yet: {state}; head {found.head}")
    if cut or not found.good:
        raise typer.Exit(_ALTERED)


def _hash(text: str) -> str:
    if len(text) != 64 or set(text.lower()) - set("0123456789abcdef"):  # noqa: PLR2004  # SHA-256 in hexadecimal
        raise InvalidArgument("head", text, "give the 64 hexadecimal digits that `aios audit verify` printed")
    return text.lower()
