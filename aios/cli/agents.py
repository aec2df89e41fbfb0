"""`aios ps` and `aios show`: the process table, and one agent with its journal."""

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from aios.cli import family, screen
from aios.cli.options import AgentId, AsJson, DataDir, connect
from aios.errors import InvalidArgument

if TYPE_CHECKING:
    from aios.kernel.values import JsonObject
    from aios.sdk.client import Client

_PANEL = "Agents"
_COLUMNS = ("ID", "PROGRAM", "STATE", "PRIORITY", "STARTED", "STEPS", "TOKENS", "TASK")
_JOURNAL = ("SEQ", "SYSCALL", "STATE", "ATTEMPT", "WAITING", "RUNNING", "TURNAROUND", "TOKENS", "WHAT")
_REFRESH_SECONDS = 0.5


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command(rich_help_panel=_PANEL)(ps)
    app.command(rich_help_panel=_PANEL)(show)


def ps(
    *,
    state: Annotated[
        str | None,
        typer.Option(help="Only those that are queued, running, waiting, paused, done, failed or cancelled."),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, max=100_000, help="At most this many, newest first.")
    ] = 50,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Show it live until Ctrl-C.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """List agents, newest first.

    Example: aios ps --state running --watch
    """
    if watch and as_json:
        raise InvalidArgument("--watch", "--json", "give one of them: a live table is not for scripts")
    with connect(data_dir) as client:
        rows = client.list(state=state, limit=limit)
        if as_json:
            screen.show_json([_listed(row) for row in rows])
        elif watch and screen.is_terminal():
            _live(client, state=state, limit=limit)
        else:
            screen.show_table(_COLUMNS, _cells(rows))


def show(
    agent: AgentId,
    *,
    tree: Annotated[bool, typer.Option("--tree", help="Its whole tree instead: root, children and forks.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Show an agent and its journal: each syscall, how long it waited, and how long it ran.

    Example: aios show last
    """
    with connect(data_dir) as client:
        row = client.get(client.find(agent))
        if tree:
            family.show(client.family(str(row["id"])), chosen=row["id"], as_json=as_json)
            return
        calls = client.journal(str(row["id"]))
    if as_json:
        row = {**row, "result": row["result"]["value"] if row["result"] else None}
        screen.show_json({"agent": row, "syscalls": [_journalled(call) for call in calls]})
        return
    screen.show_table(("FIELD", "VALUE"), [("agent", row["id"]), *_about(row), *_totals(calls)])
    screen.show_table(_JOURNAL, [_call(call) for call in calls])


def _listed(row: "JsonObject") -> "JsonObject":
    return {name: row[name] for name in ("id", "program", "state", "priority", "created_at")}


def _journalled(call: "JsonObject") -> "JsonObject":
    same = {name: call[name] for name in ("seq", "op", "state", "attempt", "waiting_ms", "running_ms")}
    way = call["way"] or {}
    parts = ("resume", "slices", "switches", "again") if way.get("slices", 1) > 1 or "again" in way else ()
    told = {name: way[name] for name in parts if name in way}  # scripts rely on the plain shape of a plain call
    return {"seq": same.pop("seq"), "kind": call["pool"], **same, **told}


def _cells(rows: Sequence["JsonObject"]) -> list[screen.Row]:
    narrow = screen.is_narrow()
    return [
        (
            str(row["id"])[-12:] if narrow else row["id"],  # the end of an id is enough for every command
            row["program"],
            row["state"],
            row["priority"],
            screen.ago(row["created_at"]),
            row["steps"],
            row["tokens"],
            screen.shortened(row["task"], 12 if narrow else 40),
        )
        for row in rows
    ]


def _live(client: "Client", *, state: str | None, limit: int) -> None:
    from rich.live import Live

    from aios.sdk.waiting import Waiting

    waiting = Waiting(None, client)
    with suppress(KeyboardInterrupt), Live(auto_refresh=False, screen=True) as live:
        while True:
            with waiting.patient():
                live.update(screen.table(_COLUMNS, _cells(client.list(state=state, limit=limit))), refresh=True)
            time.sleep(_REFRESH_SECONDS)


def _about(row: "JsonObject") -> list[screen.Row]:
    wall = (row["finished_at"] - row["created_at"]).total_seconds() if row["finished_at"] else None
    rows: list[screen.Row] = [
        ("program", f"{row['program']} ({row['version'] or 'not driven yet'})"),
        ("state", row["state"]),
        ("priority", row["priority"]),
        ("parent", row["parent_id"]),
        ("forked", f"from {row['forked_from']} after request {row['forked_at']}" if row["forked_from"] else None),
        ("task", screen.shortened(row["task"], 200)),
        ("budgets", screen.shortened(row["budgets"]) if row["budgets"] else None),
        ("submitted", f"{row['created_at']:%Y-%m-%d %H:%M:%S %Z}, {screen.ago(row['created_at'])}"),
        ("took", None if wall is None else screen.milliseconds(wall * 1000)),
        ("spent", f"{row['steps']} steps, {row['tokens']} tokens, {row['children']} children"),
        ("result", screen.shortened(row["result"]["value"], 200) if row["result"] else None),
        ("error", f"{row['error']['type']}: {row['error']['message']}" if row["error"] else None),
    ]
    return [item for item in rows if item[1] is not None]


def _totals(calls: Sequence["JsonObject"]) -> list[screen.Row]:
    waiting = sum(float(call["waiting_ms"] or 0) for call in calls)
    running = sum(float(call["running_ms"] or 0) for call in calls)
    if not calls:
        return []
    text = f"{len(calls)} syscalls, waiting {screen.milliseconds(waiting)}, running {screen.milliseconds(running)}"
    return [("in all", text)]


def _call(call: "JsonObject") -> screen.Row:
    parts = [call["waiting_ms"], call["running_ms"]]
    turnaround = sum(float(part or 0) for part in parts)
    tokens = (call["usage"] or {}).get("completion_tokens")
    what = f"{call['error']['type']}: {call['error']['message']}" if call["error"] else call["label"]
    return (
        call["seq"],
        f"{call['pool']}.{call['op']}",
        call["state"],
        call["attempt"],
        *(screen.milliseconds(part) for part in parts),
        screen.milliseconds(turnaround),
        tokens,
        screen.shortened(what, 50) + _way(call),
    )


def _way(call: "JsonObject") -> str:
    """How a long answer came: in how many slices, and what came between them."""
    way = call["way"] or {}
    parts = [f"{way['slices']} slices"] if way.get("slices", 1) > 1 else []
    if way.get("switches"):
        parts.append(f"{way['switches']} {'switch' if way['switches'] == 1 else 'switches'}")
    if way.get("again"):
        parts.append(f"begun again ({way['again']})")
    return f": {', '.join(parts)}" if parts else ""
