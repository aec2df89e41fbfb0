"""`aios fs history | rollback | diff`: what files were."""

from datetime import datetime
from typing import Annotated

import typer

from aios.cli import screen
from aios.cli.file_words import STORED, Expect, FilePath, done, instant, show
from aios.cli.options import AsJson, DataDir, connect


def add_to(group: typer.Typer) -> None:
    """Register the commands."""
    for command in (history, rollback, diff):
        group.command()(command)


def history(
    path: FilePath,
    *,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="So many versions.")] = 20,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """List a file's versions, newest first: when, by whom, by which operation.

    Example: aios fs history @last/receipt.txt
    """
    with connect(data_dir) as client:
        found = client.files.perform("history", path=path, limit=limit)
    columns = ("VERSION", "OPERATION", "SIZE", "WHEN", "AGENT", "FROM")
    rows = [
        (
            one["version"],
            one["op"],
            one["size"],
            screen.ago(datetime.fromisoformat(one["created_at"])),
            one["agent"] or "operator",
            one["origin"],
        )
        for one in found
    ]
    show(found, columns, rows, as_json=as_json)


def rollback(
    path: FilePath,
    *,
    versions: Annotated[int | None, typer.Option("--versions", "-n", min=1, help="So many back; default: 1.")] = None,
    to: Annotated[int | None, typer.Option("--to", min=1, help="To this version.")] = None,
    before: Annotated[
        str | None,
        typer.Option("--before", metavar="TIME", help="As it was then: 2026-01-31 or 2026-01-31T12:00+00:00."),
    ] = None,
    expect: Expect = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Give a file back what it was, as a new version: this can be rolled back too.

    Example: aios fs rollback /shared/notes.md --before 2026-01-31T12:00+00:00
    """
    at = instant(before)
    with connect(data_dir) as client:
        told = client.files.perform("rollback", path=path, versions=versions, to=to, before=at, expect=expect)
    form = (
        "{path} is deleted, as it was at version {restored}"
        if told["deleted"]
        else f"{STORED}, as it was at version {{restored}}"
    )
    done(told, form, as_json=as_json)


def diff(
    path: FilePath,
    *,
    old: Annotated[int | None, typer.Option("--old", min=1, help="Default: the one before.")] = None,
    new: Annotated[int | None, typer.Option("--new", min=1, help="Default: the newest.")] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Show what changed from one version of a text to another.

    Example: aios fs diff /shared/notes.md --old 1
    """
    with connect(data_dir) as client:
        told = client.files.perform("diff", path=path, old=old, new=new)
    if as_json:
        screen.show_json(told)
    else:
        print(screen.as_text(told["diff"]), end="")
