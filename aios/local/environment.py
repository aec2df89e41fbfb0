"""What a process of a system finds in its environment, whoever starts it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_PATH_VARIABLES = ("AIOS_AGENTS_PATH", "AIOS_TOOLS__PATH", "AIOS_CONFIG")


def environment(data_dir: Path) -> dict[str, str]:
    """Where its system is; paths made absolute, as it runs in another folder."""
    paths = {name: os.environ[name] for name in _PATH_VARIABLES if os.environ.get(name)}
    absolute = {name: os.pathsep.join(map(os.path.abspath, path.split(os.pathsep))) for name, path in paths.items()}
    return {**absolute, "AIOS_DATA_DIR": str(data_dir)}


def become(argv: Sequence[str], *, data_dir: Path) -> NoReturn:
    """Replace this process by a program of the system; signals, pid and terminal stay."""
    os.execvpe(argv[0], list(argv), {**os.environ, **environment(data_dir)})  # noqa: S606  # a list, and no shell is wanted
