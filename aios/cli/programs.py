"""`aios programs`: what can be run here, and why something cannot."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aios.cli import screen
from aios.cli.options import AsJson, DataDir, connect, settings

if TYPE_CHECKING:
    from aios.kernel.values import JsonObject


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(rich_help_panel="Agents")(programs)


def programs(
    *,
    tools: Annotated[bool, typer.Option("--tools", help="List tools instead.")] = False,
    local: Annotated[
        bool, typer.Option("--local", help="What would load here, now, instead of what workers have loaded.")
    ] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """List programs with their sources and errors: those that workers have loaded. Tools are loaded here.

    A program is a folder with an `agent.py` in a folder that AIOS_AGENTS_PATH names, or an entry point of a package.

    Example: AIOS_AGENTS_PATH=./agents aios programs --local
    """
    if tools:
        rows = _tools(data_dir)
        columns = ("TOOL", "EFFECT", "SOURCE", "SUMMARY")
        cells = [(row["name"], row["effect"], row["source"], _summary(row)) for row in rows]
    else:
        rows = _loaded_here(data_dir) if local else _loaded_by_workers(data_dir)
        columns = ("PROGRAM", "VERSION", "SOURCE", "SUMMARY")
        cells = [(row["name"], row["version"], row["source"], _summary(row)) for row in rows]
    if as_json:
        screen.show_json(rows)
    else:
        screen.show_table(columns, cells)


def _loaded_by_workers(data_dir: Path | None) -> list["JsonObject"]:
    with connect(data_dir) as client:
        rows = list(client.programs())
    if not rows:
        screen.say("no `agent` worker has started yet; this is what would load here:")
        return _loaded_here(data_dir)
    return rows


def _loaded_here(data_dir: Path | None) -> list["JsonObject"]:
    from aios.sdk import loader

    return [loaded.row() for loaded in loader.load(settings(data_dir))]


def _tools(data_dir: Path | None) -> list["JsonObject"]:
    from aios.tools.sources import load

    registry = load(settings(data_dir))
    rows: list[JsonObject] = [
        {
            "name": loaded.tool.name,
            "effect": loaded.tool.effect.value,
            "source": loaded.source,
            "summary": loaded.tool.spec.description,
            "error": None,
        }
        for loaded in registry.listing()
    ]
    errors = ({"name": "", "effect": "", "source": e.source, "summary": "", "error": e.text} for e in registry.errors)
    return [*rows, *errors]


def _summary(row: "JsonObject") -> str:
    """What a table shows of it: the first line of its text, or the last of its error's traceback."""
    if row["error"]:
        return f"ERROR: {screen.shortened(str(row['error']).strip().splitlines()[-1], 100)}"
    return screen.shortened((str(row["summary"]).splitlines() or [""])[0], 80)
