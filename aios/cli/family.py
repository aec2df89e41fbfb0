"""An agent's tree as text: children below their parents, forks below what they were forked from."""

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from aios.cli import screen

if TYPE_CHECKING:
    from aios.kernel.values import JsonObject

_NAMES = ("id", "program", "state", "parent_id", "forked_from", "forked_at", "tokens", "created_at")


def show(rows: Sequence["JsonObject"], *, chosen: UUID, as_json: bool) -> None:
    """Print a tree; the chosen agent is marked."""
    if as_json:
        screen.show_json([{name: row[name] for name in _NAMES} for row in rows])
        return
    for line in lines(rows, chosen=chosen):
        print(line)


def lines(rows: Sequence["JsonObject"], *, chosen: UUID) -> list[str]:
    """The tree's lines, from its root down."""
    below: dict[UUID | None, list[JsonObject]] = {}
    known = {row["id"] for row in rows}
    for row in rows:
        above = row["forked_from"] or row["parent_id"]
        below.setdefault(above if above in known else None, []).append(row)
    made: list[str] = []
    for root in below.get(None, []):
        _add(made, root, below, chosen=chosen, lead="", last=None)
    return made


def _add(
    made: list[str],
    row: "JsonObject",
    below: dict[UUID | None, list["JsonObject"]],
    *,
    chosen: UUID,
    lead: str,
    last: bool | None,
) -> None:
    """Add an agent and what is below it; `last`: whether it is the last of its siblings, None for the root."""
    branch = "" if last is None else ("└─ " if last else "├─ ")
    how = f"fork after {row['forked_at']}: " if row["forked_from"] else ""
    mark = " <" if row["id"] == chosen else ""
    made.append(
        screen.safe(f"{lead}{branch}{how}{row['id']}  {row['program']}  {row['state']}  {row['tokens']} tokens{mark}")
    )
    inner = lead if last is None else lead + ("   " if last else "│  ")
    children = below.get(row["id"], [])
    for place, child in enumerate(children, start=1):
        _add(made, child, below, chosen=chosen, lead=inner, last=place == len(children))
