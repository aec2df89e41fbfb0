"""`aios top`: a system seen live, and the keys to steer it."""

from typing import Annotated

import typer

from aios.cli import dials, screen
from aios.cli.options import AsJson, DataDir, connect


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(rich_help_panel="Agents")(top)


def top(
    *,
    once: Annotated[bool, typer.Option("--once", help="Print one look and end, as without a terminal.")] = False,
    every: Annotated[float, typer.Option("--every", min=0.2, help="Seconds between two looks.")] = 1.0,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=100_000, help="At most this many agents.")] = 200,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Watch the system: pools, cores, agents, speed and failures. Keys steer the chosen agent.

    n changes its priority, p pauses it or lets it go on, k cancels it, a approves what it waits for, q ends.

    Example: aios top --every 0.5
    """
    with connect(data_dir) as client:
        if as_json or once or not screen.is_terminal():
            found = client.gauges(limit=limit)
            if as_json:
                screen.show_json(found.to_json())
                return
            print(dials.headline(found, before=None))
            for _, columns, rows in dials.tables(found):
                screen.show_table(columns, rows)
            print("\n".join(dials.failures(found, most=5)))
            return
        from aios.cli.dashboard import Dashboard

        Dashboard(client, every_seconds=every, limit=limit).run()
