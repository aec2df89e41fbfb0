"""The command line `aios`: its commands in the order in which one needs them."""

import sys
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from aios.cli import (
    access,
    agents,
    approvals,
    audit,
    bench,
    boundary,
    cores,
    cron,
    database,
    doctor,
    files,
    fork,
    memory,
    programs,
    prune,
    results,
    sched,
    screen,
    shell,
    steer,
    submit,
    system,
    tools,
    top,
    worker,
)

app = typer.Typer(
    name="aios",
    help="""An operating system for LLM agents.

    Try: `aios up --detach`, then `aios run echo "Say hello."`, then `aios ps` and `aios show last`.""",
    rich_markup_mode="markdown" if screen.is_terminal() else None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    invoke_without_command=True,
)


@app.callback()
def root(
    ctx: typer.Context,
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the library's log, and tracebacks of errors.")] = False,
) -> None:
    """Set up what all commands share."""
    boundary.configure(debug=debug)
    if version:
        from importlib.metadata import version as installed

        print(installed("aios-celery"))
    elif ctx.invoked_subcommand is None:
        print(ctx.get_help())


for group in (
    submit,
    agents,
    top,
    results,
    steer,
    fork,
    approvals,
    access,
    audit,
    programs,
    tools,
    memory,
    files,
    shell,
    cron,
    sched,
    cores,
    system,
    worker,
    database,
    doctor,
    prune,
    bench,
):
    group.add_to(app)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and end the process; the entry point of the script `aios`."""
    sys.exit(boundary.run(app, arguments))
