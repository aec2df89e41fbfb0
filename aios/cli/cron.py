"""`aios cron`: agents that the clock starts."""

from typing import Annotated

import typer

from aios.cli import screen
from aios.cli.options import AsJson, DataDir, Program, connect
from aios.cli.submit import AsValue, Priority, Task, task_value

cron = typer.Typer(help="Let the clock start agents.")

Name = Annotated[str, typer.Argument(help="The schedule's name.")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.add_typer(cron, name="cron", rich_help_panel="Agents")


@cron.command()
def add(
    name: Name,
    expression: Annotated[str, typer.Argument(metavar="CRON", help='Five fields, such as "*/15 9-17 * * MON-FRI".')],
    program: Program,
    task: Task,
    *,
    timezone: Annotated[str, typer.Option("--timezone", "-z", help="IANA name, such as Europe/Berlin.")] = "UTC",
    priority: Priority = 5,
    replace: Annotated[bool, typer.Option("--replace", help="Change the schedule of that name.")] = False,
    json_task: AsValue = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Start an agent at every tick of a cron expression.

    Example: aios cron add news "0 7 * * MON-FRI" react "Summarise the news." --timezone Europe/Berlin
    """
    with connect(data_dir) as client:
        row = client.schedule(
            name,
            expression,
            program,
            task_value(task, as_value=json_task),
            timezone=timezone,
            priority=priority,
            replace=replace,
        )
    if as_json:
        screen.show_json(row)
    else:
        screen.say(f"{name} is due next at {row['next_at']:%Y-%m-%d %H:%M %Z}")


@cron.command("list")
def list_(*, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """List the schedules.

    Example: aios cron list
    """
    with connect(data_dir) as client:
        rows = list(client.schedules())
    if as_json:
        screen.show_json(rows)
        return
    columns = ("NAME", "CRON", "TIMEZONE", "PROGRAM", "TASK", "NEXT", "LAST", "STATE")
    cells = [
        (
            row["name"],
            row["cron"],
            row["timezone"],
            row["program"],
            screen.shortened(row["task"], 40),
            f"{row['next_at']:%Y-%m-%d %H:%M}",
            f"{row['last_at']:%Y-%m-%d %H:%M}" if row["last_at"] else None,
            row["last_state"],
        )
        for row in rows
    ]
    screen.show_table(columns, cells)


@cron.command()
def remove(name: Name, *, data_dir: DataDir = None) -> None:
    """Forget a schedule and its history; agents that it started go on.

    Example: aios cron remove news
    """
    with connect(data_dir) as client:
        client.unschedule(name)
    screen.say(f"{name} is removed")


@cron.command("run-now")
def run_now(name: Name, *, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Start a schedule's agent now, besides its ticks, and print the agent's id.

    Example: aios cron run-now news
    """
    with connect(data_dir) as client:
        agent = client.run_now(name)
    if as_json:
        screen.show_json({"id": agent})
    else:
        print(agent)


@cron.command()
def history(
    name: Name,
    *,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, max=100_000, help="At most this many, newest first.")
    ] = 50,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """List what a schedule started.

    Example: aios cron history news
    """
    with connect(data_dir) as client:
        rows = list(client.schedule_history(name, limit=limit))
    if as_json:
        screen.show_json(rows)
        return
    cells = [
        (
            f"{row['tick_at']:%Y-%m-%d %H:%M:%S}",
            "by hand" if row["manual"] else "tick",
            row["agent_id"],
            row["state"] or "pruned",
            row["error"],
        )
        for row in rows
    ]
    screen.show_table(("AT", "BY", "AGENT", "STATE", "ERROR"), cells)
