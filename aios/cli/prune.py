"""`aios prune`: remove what ended long ago."""

import re
from datetime import timedelta
from typing import Annotated

import typer

from aios.cli import screen
from aios.cli.options import AsJson, DataDir, connect
from aios.errors import InvalidArgument

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_AGE = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(rich_help_panel="System")(prune)


def prune(
    *,
    older_than: Annotated[
        str | None, typer.Option(metavar="AGE", help="Such as 90s, 30m, 12h, 7d; default: limits.retention_days.")
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Remove agents that ended longer ago than that, with their journals. The hourly tick does it too.

    Example: aios prune --older-than 7d
    """
    limit = None if older_than is None else age(older_than)
    with connect(data_dir) as client:
        pruned = client.prune(older_than=limit)._asdict()
    if as_json:
        screen.show_json(pruned)
    else:
        screen.show_table(("WHAT", "REMOVED"), [(what.replace("_", " "), count) for what, count in pruned.items()])


def age(text: str) -> timedelta:
    """A duration such as 90s, 30m, 12h, 7d.

    Raises:
        InvalidArgument: it is none.
    """
    match = _AGE.fullmatch(text.strip())
    if match is None:
        raise InvalidArgument("age", text, "give a number and a unit of s, m, h, d, w, such as 7d")
    try:
        return timedelta(**{_UNITS[match[2]]: float(match[1])})
    except OverflowError as error:
        raise InvalidArgument("age", text, "nothing is that old") from error
