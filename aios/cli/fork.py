"""`aios fork` and `aios diff`: go on from the middle of a journal, and see where two journals part."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aios.cli import screen
from aios.cli.options import AgentId, AsJson, DataDir, connect
from aios.errors import InvalidArgument
from aios.kernel.forking import Difference, Side

if TYPE_CHECKING:
    from aios.kernel.replay import Entry
    from aios.kernel.values import Json

_PANEL = "Agents"
_LONGEST = 48


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command(rich_help_panel=_PANEL)(fork)
    app.command(rich_help_panel=_PANEL)(diff)


def fork(
    agent: AgentId,
    *,
    at: Annotated[int, typer.Option("--at", metavar="SEQ", help="The last request that is shared; 0: none.")],
    edit: Annotated[
        Path | None,
        typer.Option(
            help="A file with another answer of that request (at 0: another task): JSON, or a text.", exists=True
        ),
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Start a new agent that shares a journal up to a request, and goes on from there by itself.

    Nothing that is shared is done again, and the forked agent is not touched. `aios show AGENT` tells the numbers.

    Example: aios fork last --at 3
    """
    answer = None if edit is None else _read(edit)
    with connect(data_dir) as client:
        made = client.fork(client.find(agent), at=at, edit=answer)
    if as_json:
        screen.show_json({"id": made})
    else:
        print(made)


def diff(left: AgentId, right: AgentId, *, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Show where the journals of two agents part: requests that differ in what was asked or in the answer.

    Example: aios diff 3f2a91 last
    """
    with connect(data_dir) as client:
        found = client.compare(client.find(left), client.find(right))
    if as_json:
        screen.show_json([_as_json(one) for one in found])
        return
    apart = [one for one in found if one.side is not Side.SAME]
    screen.say(f"{len(found) - len(apart)} requests are the same, {len(apart)} are not")
    if apart:
        screen.show_table(("SEQ", "", "LEFT", "RIGHT"), [_cells(one) for one in apart])


def _read(path: Path) -> "Json":
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgument("edit", str(path), f"it cannot be read ({error})") from error
    try:
        return json.loads(text)
    except ValueError:
        return text.removesuffix("\n")


def _cells(one: Difference) -> screen.Row:
    if one.left is not None and one.right is not None and one.left.digest != one.right.digest:
        return one.seq, "asked", one.left.label[:_LONGEST], one.right.label[:_LONGEST]
    mark = "answer" if one.side is Side.CHANGED else one.side.value
    return one.seq, mark, _answer(one.left), _answer(one.right)


def _answer(entry: "Entry | None") -> str:
    if entry is None:
        return ""
    if entry.open:
        return "(not answered)"
    if entry.error is not None:
        return screen.shortened(f"{type(entry.error).__name__}: {entry.error}", _LONGEST)
    return screen.shortened(_told(entry.results[-1]) if entry.results else None, _LONGEST)


def _told(result: "Json") -> "Json":
    if isinstance(result, dict) and isinstance(result.get("message"), dict):
        return result["message"].get("content") or result["message"].get("tool_calls")
    return result


def _as_json(one: Difference) -> "Json":
    return {"seq": one.seq, "side": one.side.value, "left": _entry(one.left), "right": _entry(one.right)}


def _entry(entry: "Entry | None") -> "Json":
    if entry is None:
        return None
    error = entry.error.to_json() if entry.error else None
    return {"label": entry.label, "open": entry.open, "results": entry.results, "error": error}
