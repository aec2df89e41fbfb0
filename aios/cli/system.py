"""`aios up`, `down` and `status`: one system per data directory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit, urlunsplit

import typer

from aios.cli import screen
from aios.cli.options import AsJson, DataDir, settings
from aios.errors import InvalidArgument

if TYPE_CHECKING:
    from aios.local.status import Status

_BACKENDS = ("llama", "simulated", "scripted")
_HINT = {
    True: 'ready; try `aios run echo "Say hello."`, and stop with `aios down`',
    False: 'ready; try `aios run echo "Say hello."` in another terminal, and stop with Ctrl-C',
}


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    panel = "System"
    app.command(rich_help_panel=panel)(up)
    app.command(rich_help_panel=panel)(down)
    app.command(rich_help_panel=panel)(status)


def up(
    *,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return when all is ready; `aios down` stops it.")
    ] = False,
    backend: Annotated[
        str, typer.Option(help="The local engine's: `llama` (a small real model), `simulated` or `scripted`.")
    ] = "llama",
    flower: Annotated[bool, typer.Option("--flower/--no-flower", help="Show the workers in Flower.")] = True,
    data_dir: DataDir = None,
) -> None:
    """Start everything: Postgres, Valkey, the engine, workers, beat and Flower.

    A URL in the environment (AIOS_DATABASE_URL, AIOS_REDIS_URL, AIOS_ENGINE_URL) replaces that part by a server of yours.

    Example: aios up --detach --backend simulated
    """
    from aios.local import supervisor

    place = settings(data_dir).data_dir
    if backend not in _BACKENDS:
        raise InvalidArgument("backend", backend, f"give one of {', '.join(_BACKENDS)}")
    with _progress(detach=detach) as progress:
        state = supervisor.up(place, detach=detach, backend=backend, flower=flower, progress=progress)
    if detach:
        _tell(state)


def down(*, data_dir: DataDir = None) -> None:
    """Stop exactly what `aios up` started. Agents go on when it is started again.

    Example: aios down
    """
    from aios.local import supervisor

    stopped = supervisor.down(_place(data_dir))
    screen.say(f"stopped {', '.join(stopped)}" if stopped else "nothing was running")


def status(*, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Show the processes of a system and where everything answers.

    Example: aios status --json
    """
    from aios.local.status import status as look

    found = look(_place(data_dir))
    if as_json:
        screen.show_json(found.to_json())
    else:
        _tell(found)


def _place(data_dir: Path | None) -> Path:
    return settings(data_dir).data_dir


@contextmanager
def _progress(*, detach: bool) -> Iterator[Callable[[str], None]]:
    """Tells what has come up: on one spinning line on a terminal, else a line each."""
    if not screen.is_terminal():
        yield lambda name: screen.say(f"{name} is up" if name != "ready" else _HINT[detach])
        return
    from rich.console import Console

    names: list[str] = []
    with Console(stderr=True).status("starting") as spinner:

        def tell(name: str) -> None:
            names.append(name)
            spinner.update(f"starting: {', '.join(names[-6:])} up")
            if name == "ready":
                spinner.stop()
                screen.say(_HINT[detach])

        yield tell


def _tell(found: "Status") -> None:
    if not found.processes:
        screen.say(f"nothing runs on {found.data_dir}; start it with `aios up`")
        return
    rows = [(p.name, p.pool, p.pid, p.state) for p in found.processes]
    screen.show_table(("NAME", "POOL", "PID", "STATE"), rows)
    urls = [(name, url if name == "flower" else _hidden(url)) for name, url in found.urls.items()]
    screen.show_table(("SERVER", "URL"), [*urls, ("data", found.data_dir)])


def _hidden(url: str) -> str:
    """A URL without its password: people paste what they see. Flower's is shown, it has to be typed."""
    parts = urlsplit(url)
    if not parts.password:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.replace(f":{parts.password}@", ":***@")))
