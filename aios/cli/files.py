"""`aios fs`: the files of agents, of groups and of everybody, with all their versions."""

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aios.cli import file_finding, file_mount, file_sets, file_versions, screen
from aios.cli.file_words import Expect, FilePath, Version, done, pattern, show, write_out
from aios.cli.options import AsJson, DataDir, connect
from aios.errors import InvalidArgument
from aios.storage.media import PDF

if TYPE_CHECKING:
    from aios.kernel.values import JsonObject

_HELP = """Files: every write is a version, and every version comes back.

A path is absolute (`/agents/ID/...`, `/groups/NAME/...`, `/shared/...`), relative to `/shared/`, or `@AGENT/...` with an
agent's id, a part of it, or `last`."""


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    group = typer.Typer(help=_HELP, no_args_is_help=True)
    group.command("ls")(ls)
    for command in (cat, put, get, mv, cp, rm, mkdir, stat):
        group.command()(command)
    file_versions.add_to(group)
    file_finding.add_to(group)
    file_sets.add_to(group)
    file_mount.add_to(group)
    app.add_typer(group, name="fs", rich_help_panel="Data")


def ls(
    path: Annotated[str, typer.Argument(help="A folder or a glob pattern; `/`: the folders that there are.")] = "/",
    *,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="With all that is in the folders.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """List files and folders.

    Example: aios fs ls @last
    """
    with connect(data_dir) as client:
        if path == "/":
            found: list[JsonObject] = [{"path": root, "folder": True} for root in client.files.roots()]
        else:
            found = client.files.perform("list", pattern=pattern(path, recursive=recursive), folders=True)
    columns = ("PATH", "VERSION", "SIZE", "CHANGED", "TYPE")
    rows = [
        (
            one["path"],
            "" if one.get("folder") else one["version"],
            "" if one.get("folder") else one["size"],
            screen.ago(datetime.fromisoformat(one["updated_at"])) if "updated_at" in one else "",
            "folder" if one.get("folder") else one["media_type"],
        )
        for one in found
    ]
    if not found:
        screen.say(f"nothing is at {path}")
    show(found, columns, rows, as_json=as_json)


def cat(path: FilePath, *, version: Version = None, data_dir: DataDir = None) -> None:
    """Print a file.

    Example: aios fs cat @last/receipt.txt
    """
    with connect(data_dir) as client:
        data = client.files.read(path, version=version)
    write_out(data)


def put(
    local: Annotated[str, typer.Argument(help="A file of this machine, or `-` for standard input.")],
    path: FilePath,
    *,
    expect: Expect = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Write a file of this machine as a new version.

    Example: aios fs put notes.md /shared/notes.md
    """
    data = sys.stdin.buffer.read() if local == "-" else _local(local).read_bytes()
    with connect(data_dir) as client:
        done(client.files.write(path, data, expect=expect), as_json=as_json)


def get(
    path: FilePath,
    local: Annotated[Path, typer.Argument(help="Where to put it; a folder, or a name that is still free.")],
    *,
    version: Version = None,
    replace: Annotated[bool, typer.Option("--replace", help="Write over a file of this machine.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Copy a file to this machine.

    Example: aios fs get @last/receipt.txt .
    """
    target = local / path.rpartition("/")[2] if local.is_dir() else local
    if target.exists() and not replace:
        raise InvalidArgument("target", str(target), "it exists; give another name, or --replace")
    with connect(data_dir) as client:
        data = client.files.read(path, version=version)
    try:
        target.write_bytes(data)
    except OSError as error:
        raise InvalidArgument("target", str(target), f"it cannot be written ({error.strerror})") from error
    screen.say(f"{len(data)} bytes in {target}")


def mv(
    source: FilePath,
    target: FilePath,
    *,
    replace: Annotated[bool, typer.Option("--replace", help="Write over what is there, as a new version.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Move a file, or a folder with all that is in it.

    Example: aios fs mv /shared/draft.md /shared/final.md
    """
    with connect(data_dir) as client:
        moved = client.files.perform("move", source=source, target=target, replace=replace)
    done(moved, as_json=as_json)


def cp(
    source: FilePath,
    target: FilePath,
    *,
    replace: Annotated[bool, typer.Option("--replace", help="Write over what is there, as a new version.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Copy a file, or a folder with all that is in it.

    Example: aios fs cp @last/report.md /shared/report.md
    """
    with connect(data_dir) as client:
        copied = client.files.perform("copy", source=source, target=target, replace=replace)
    done(copied, as_json=as_json)


def rm(
    path: FilePath,
    *,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="A folder with all that is in it.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Delete a file or an empty folder. Its versions stay, for `aios fs rollback`.

    Example: aios fs rm /shared/draft.md
    """
    with connect(data_dir) as client:
        told = client.files.perform("delete", path=path, everything=recursive)
    one = "version" in told
    done(
        told,
        "{path} is deleted; `aios fs rollback` brings it back" if one else "{path} is gone, {files} files with it",
        as_json=as_json,
    )


def mkdir(path: FilePath, *, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Make a folder, and those it lies in.

    Example: aios fs mkdir /shared/notes
    """
    with connect(data_dir) as client:
        told = client.files.perform("mkdir", path=path)
    done(told, "{path} is made" if told["made"] else "{path} was there already", as_json=as_json)


def stat(path: FilePath, *, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Tell what a file is: version, size, type, digest, times, whether search knows it.

    Example: aios fs stat @last/receipt.txt
    """
    with connect(data_dir) as client:
        told = client.files.perform("stat", path=path)
    rows = [(name, "yes" if value is True else "no" if value is False else value) for name, value in told.items()]
    show(told, ("FIELD", "VALUE"), rows, as_json=as_json)
    if told.get("media_type") == PDF and told["indexed"] and not told["parts"] and not as_json:
        screen.say(
            "no search finds it by its text: it is encrypted, broken, or made of pictures; the worker's log says which"
        )


def _local(name: str) -> Path:
    file = Path(name)
    if not file.is_file():
        raise InvalidArgument("file", name, "there is no such file on this machine; `-` reads standard input")
    return file
