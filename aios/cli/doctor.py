"""`aios doctor`: is everything well, and if not, what to do."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from aios.cli import screen
from aios.cli.options import AsJson, DataDir, settings
from aios.errors import Misconfigured

if TYPE_CHECKING:
    from aios.cli.checks import Finding


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(rich_help_panel="System")(doctor)


def doctor(*, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Check every part and say the remedy; the exit code is 1 if something is wrong.

    Example: aios doctor
    """
    found = _findings(data_dir)
    good = all(finding.state == "ok" for finding in found)
    if as_json:
        screen.show_json({"ok": good, "checks": [finding.to_json() for finding in found]})
    else:
        screen.show_table(("PART", "STATE", "FOUND"), [(f.name, f.state, f.detail) for f in found])
        for finding in found:
            if finding.remedy:
                screen.say(f"{finding.name}: {finding.remedy}")
    if not good:
        raise typer.Exit(1)


def _findings(data_dir: Path | None) -> list["Finding"]:
    from aios.cli.checks import Finding, examine

    try:
        loaded = settings(data_dir)
    except Misconfigured as error:
        return [Finding("settings", "wrong", *map(str, error.args))]
    return [Finding("settings", "ok", "they can be read"), *examine(loaded)]
