"""Options and arguments that many commands share, so that they are spelled and explained the same everywhere."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from aios.sdk.client import Client
    from aios.settings import Settings

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        envvar="AIOS_DATA_DIR",
        help="The system to speak to: where `aios up` keeps its data.",
        show_default="~/.local/share/aios",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def settings(data_dir: Path | None) -> "Settings":
    """The settings of the system that a command speaks to."""
    from aios.settings import load

    return load(data_dir=data_dir.expanduser().resolve()) if data_dir else load()


def connect(data_dir: Path | None) -> "Client":
    """A client of the system that a command speaks to."""
    from aios.sdk.client import Client

    return Client(settings(data_dir))


def _programs(ctx: typer.Context, incomplete: str) -> list[str]:
    try:
        with connect(ctx.params.get("data_dir")) as client:
            names = [row["name"] for row in client.programs() if not row["error"]]
    except Exception:  # noqa: BLE001  # a shell that completes must never show an error
        return []
    return [name for name in names if name.startswith(incomplete)]


def _agents(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    try:
        with connect(ctx.params.get("data_dir")) as client:
            rows = client.list(limit=50)
    except Exception:  # noqa: BLE001  # a shell that completes must never show an error
        return []
    found = [(str(row["id"]), f"{row['program']} {row['state']}") for row in rows]
    return [(agent, text) for agent, text in found if agent.startswith(incomplete)]


Program = Annotated[str, typer.Argument(help="Its name: see `aios programs`.", autocompletion=_programs)]
AgentId = Annotated[
    str,
    typer.Argument(
        help="An agent's id, a part (6 or more characters) that begins or ends it, or `last` (`-`) for the newest.",
        autocompletion=_agents,
    ),
]
