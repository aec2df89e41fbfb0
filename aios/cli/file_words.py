"""What the commands of `aios fs` share: how a path is written, and how what was done is shown."""

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from aios.cli import screen
from aios.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aios.kernel.values import Json

FilePath = Annotated[str, typer.Argument(metavar="PATH", help="Such as @last/report.md or /shared/notes/a.md.")]
Version = Annotated[int | None, typer.Option("--version", "-v", min=1, help="Default: the newest.")]
Expect = Annotated[
    int | None, typer.Option("--expect", min=0, help="Only if the file is at this version; 0: only if there is none.")
]

STORED = "{path} is at version {version} ({size} bytes)"


def pattern(path: str, *, recursive: bool) -> str:
    """A folder's contents, if no pattern is given."""
    if "*" in path or "?" in path:
        return path
    whole = path if "/" in path or not path.startswith("@") else f"{path}/"
    return whole.rstrip("/") + ("/**" if recursive else "/*")


def instant(given: str | None) -> str | None:
    """An instant with its zone: without one it is the time here."""
    if given is None:
        return None
    try:
        return datetime.fromisoformat(given).astimezone(UTC).isoformat()
    except (ValueError, OverflowError) as error:  # in UTC the first and the last day may lie in no year
        raise InvalidArgument("time", given, "give one such as 2026-01-31 or 2026-01-31T12:00+00:00") from error


def show(value: "Json", columns: tuple[str, ...], rows: "Sequence[screen.Row]", *, as_json: bool) -> None:
    """Print a result: for scripts, or as a table."""
    if as_json:
        screen.show_json(value)
    else:
        screen.show_table(columns, rows)


def done(told: "Json", form: str = STORED, *, as_json: bool) -> None:
    """Say what was done, for each file: its result put into a sentence."""
    if as_json:
        screen.show_json(told)
        return
    for one in told if isinstance(told, list) else [told]:
        screen.say(form.format(**one))


def write_out(data: bytes) -> None:
    """Print a file: as it is into a pipe, as text on a terminal."""
    if screen.is_terminal():
        print(screen.as_text(data.decode("utf-8", "replace")))
    else:
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
