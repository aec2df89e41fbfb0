"""What commands print: Rich tables on a terminal, plain columns elsewhere, JSON on request."""

import json
import re
import shutil
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO
from uuid import UUID

if TYPE_CHECKING:
    from rich.table import Table

    from aios.kernel.values import Json

Row = Sequence[object]

_COLOURS = {
    "queued": "cyan",
    "blocked": "dim",
    "running": "bold blue",
    "waiting": "yellow",
    "paused": "magenta",
    "done": "green",
    "failed": "bold red",
    "unknown": "bold red",
    "cancelled": "dim",
    "dead": "bold red",
    "restarting": "yellow",
    "ok": "green",
    "wrong": "bold red",
    "unchecked": "dim",
}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_WIDE = 110  # columns
_WHOLE = {"ID", "AGENT", "STATE"}  # an id or a state that is cut can be used for nothing
_LONGEST_NAME = 36
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def is_terminal() -> bool:
    """Whether somebody watches standard output."""
    return _is_watched(sys.stdout)


def show_json(value: "Json") -> None:
    """Print a value for scripts; ids and instants become text."""
    print(json.dumps(value, ensure_ascii=False, indent=1 if is_terminal() else None, default=_plain))


def show_table(columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Print a table; a column named STATE is coloured by its values."""
    if is_terminal():
        from rich.console import Console

        Console().print(table(columns, rows))
        return
    texts = [list(columns), *([_text(cell) for cell in row] for row in rows)]
    widths = [max(len(row[place]) for row in texts) for place in range(len(columns))]
    for row in texts:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def table(columns: Sequence[str], rows: Sequence[Row]) -> "Table":
    """The same as a Rich table, to be shown live; where there is little room, without columns that say nothing."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    if is_narrow() and rows:
        told = [place for place in range(len(columns)) if any(_text(row[place]) for row in rows)]
        columns, rows = [columns[place] for place in told], [[row[place] for place in told] for row in rows]
    made = Table(box=box.SIMPLE_HEAD, header_style="bold")
    for name in columns:
        made.add_column(name)
    for column, values in zip(made.columns, zip(*rows, strict=True), strict=False):
        if column is made.columns[0] or column.header in _WHOLE:
            column.min_width = min(_LONGEST_NAME, max(len(_text(value)) for value in values))
    for row in rows:
        cells = zip(columns, row, strict=True)
        made.add_row(
            *(Text(_text(cell), _COLOURS.get(_text(cell), "") if name == "STATE" else "") for name, cell in cells)
        )
    return made


def is_narrow() -> bool:
    """Whether standard output is a terminal in which a whole id leaves no room for much else."""
    return is_terminal() and shutil.get_terminal_size().columns < _WIDE


def say(text: str) -> None:
    """A remark beside the result: on standard error, so that pipes carry results only."""
    print(text, file=sys.stderr, flush=True)


def ago(instant: datetime) -> str:
    """How long ago, in one unit."""
    seconds = max(0.0, (datetime.now(UTC) - instant).total_seconds())
    for limit, unit in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= limit:
            return f"{seconds / limit:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def milliseconds(value: object) -> str:
    """A duration in the unit in which it is read best."""
    if value is None:
        return ""
    number = float(str(value))
    return f"{number:.0f} ms" if number < 10_000 else f"{number / 1000:.1f} s"  # noqa: PLR2004


def shortened(value: "Json", limit: int = 60) -> str:
    """A value on one line, cut."""
    text = " ".join(
        (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=_plain)).split()
    )
    return text if len(text) <= limit else text[: limit - 1] + "…"


def as_text(value: "Json") -> str:
    """A result as people read it: a text as it is, anything else as JSON."""
    return safe(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2, default=_plain))


def safe(text: str, *, to: TextIO | None = None) -> str:
    """A text without control characters, if it goes to a terminal: what models say must not steer it."""
    return _CONTROL.sub("\ufffd", text) if _is_watched(to or sys.stdout) else text


def printable(text: str) -> str:
    """A text without control characters, wherever it goes."""
    return _CONTROL.sub("\ufffd", text)


def colour(state: str) -> str:
    """How a state is coloured; nothing for any other text."""
    return _COLOURS.get(state, "")


def _is_watched(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()  # None: it was closed (`>&-`)


def _text(cell: object) -> str:
    return "" if cell is None else safe(str(cell))


def _plain(value: object) -> object:
    match value:
        case datetime():
            return value.isoformat()
        case UUID():
            return str(value)
        case _:
            return float(str(value))  # Decimal: what Postgres gives for durations
