"""`aios fs mount`: a folder of this machine and a virtual one, kept the same both ways."""

import json
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from aios.cli import screen
from aios.cli.options import AsJson, DataDir, connect

if TYPE_CHECKING:
    from aios.sdk.mount.sync import Event

_SETTLE: Final = timedelta(seconds=1)
_PAUSE: Final = timedelta(seconds=0.5)
_FORMS: Final = {
    "uploaded": "uploaded {path} (version {version})",
    "downloaded": "downloaded {path} (version {version})",
    "deleted_here": "deleted {path} on this machine",
    "deleted_there": "deleted {path} there (version {version})",
    "conflict": "conflict: {path} was changed on both sides; what was here is now {detail}",
    "left": "left {path}: {detail}",
    "unavailable": "waiting: {detail}",
    "same": "{detail}",
}


def add_to(group: typer.Typer) -> None:
    """Register the command."""
    group.command()(mount)


def mount(
    local: Annotated[Path, typer.Argument(metavar="LOCAL", help="A folder of this machine.")],
    folder: Annotated[str, typer.Argument(metavar="VIRTUAL", help="Such as /shared/notes or @last/drafts.")],
    *,
    once: Annotated[bool, typer.Option("--once", help="Make both the same, and end.")] = False,
    interval: Annotated[float, typer.Option("--interval", min=0.1, metavar="S", help="Seconds between looks.")] = 2.0,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Keep a folder of this machine and a virtual one the same, both ways, until Ctrl-C.

    A file that was changed on both sides is a conflict: the virtual one stays, and what was here is kept beside it as
    `name.conflict-TIME.ext`. Whatever is written over or deleted there comes back by `aios fs rollback`. Symbolic links
    are not followed, and empty folders are not kept the same.

    Example: aios fs mount ./notes /shared/notes
    """
    from aios.sdk.mount.host import Host
    from aios.sdk.mount.record import Record
    from aios.sdk.mount.sync import Sync
    from aios.sdk.mount.virtual import Virtual

    with connect(data_dir) as client:
        virtual = Virtual(client.files, folder)
        with Host(local, longest=client.settings.storage.file_bytes, settle=_SETTLE) as host:
            record = Record(host.scratch, system=client.files.system(), virtual=virtual.folder)
            sync = Sync(host, virtual, record, tell=_line if as_json else _sentence)
            if once:
                sync.once(pause=_PAUSE)
            else:
                _until_stopped(lambda: sync.forever(pause=timedelta(seconds=interval)))


def _until_stopped(keep: Callable[[], None]) -> None:
    try:
        keep()
    except KeyboardInterrupt:
        screen.say("stopped; the same command goes on from here")


def _sentence(event: "Event") -> None:
    screen.say(screen.printable(_FORMS[event.kind].format(**_told(event))))


def _line(event: "Event") -> None:
    print(json.dumps({name: value for name, value in _told(event).items() if value}, ensure_ascii=False), flush=True)


def _told(event: "Event") -> dict[str, object]:
    """An event with texts that can be printed: a name on this machine may be no text."""
    texts = {name: os.fsencode(getattr(event, name)).decode(errors="backslashreplace") for name in ("path", "detail")}
    return {"event": event.kind, "path": texts["path"], "version": event.version, "detail": texts["detail"]}
