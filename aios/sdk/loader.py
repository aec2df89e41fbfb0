"""Loading programs: by path (one folder each, `agent.py` beside an `agent.toml`) and by entry point.

One bad folder spoils only itself: its error is listed, the others are loaded.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import tomllib
import traceback
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

from aios.errors import AiosError, InvalidArgument
from aios.kernel.program import Program
from aios.settings import app_dir

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aios.kernel.values import JsonObject
    from aios.settings import Settings

ENTRY_POINTS = "aios.programs"


@dataclass(frozen=True)
class Loaded:
    """One source: a program, or why there is none."""

    name: str
    source: str
    program: Program | None = None
    error: str = ""

    def row(self) -> JsonObject:
        """As it stands in the table of programs."""
        program = self.program
        return {
            "name": self.name,
            "version": program.version if program else "",
            "source": self.source,
            "summary": program.summary if program else "",
            "tools": list(program.tools) if program else [],
            "error": self.error or None,
        }


def load(settings: Settings) -> list[Loaded]:
    """All programs of the configured folders, of the ones that ship, and of entry points; the first of a name wins."""
    found: dict[str, Loaded] = {}
    for loaded in _all(settings):
        first = found.setdefault(loaded.name, loaded)
        if first is not loaded and first.source != loaded.source:
            text = f"{loaded.name!r} is already loaded from {first.source}; give one of them another name"
            shadowed = f"{loaded.name} ({loaded.source})"
            found.setdefault(shadowed, Loaded(shadowed, loaded.source, error=text))
    return sorted(found.values(), key=lambda loaded: loaded.name)


def programs(loaded: list[Loaded]) -> dict[str, Program]:
    """Those that can be run, by name."""
    return {item.name: item.program for item in loaded if item.program is not None}


def _all(settings: Settings) -> Iterator[Loaded]:
    folders = [Path(folder) for folder in settings.agents_path.split(os.pathsep) if folder]
    for root in [*folders, app_dir() / "agents"]:
        if not root.is_dir():
            yield Loaded(root.name, str(root), error=f"{root} is no folder; mend AIOS_AGENTS_PATH")
            continue
        for file in sorted(root.glob("*/agent.py")):
            yield from _folder(file)
    for entry in entry_points(group=ENTRY_POINTS):
        yield _entry_point(entry.name, entry.load, f"{entry.value} (entry point)")


def _folder(file: Path) -> Iterator[Loaded]:
    name = file.parent.name
    try:
        about = _about(file.with_name("agent.toml"))
        module = _execute(file)
        declared = [value for value in vars(module).values() if isinstance(value, Program)]
        if not declared:
            raise InvalidArgument("program folder", str(file.parent), "declare one with @program in its agent.py")
    except (Exception, SystemExit) as error:  # noqa: BLE001  # somebody's file: it is told, and the others are loaded
        yield Loaded(name, str(file), error=_told(error))
        return
    for program in declared:
        changed = replace(program, summary=about.get("summary", program.summary)) if len(declared) == 1 else program
        yield Loaded(program.name, str(file), program=changed)


def _about(file: Path) -> dict[str, str]:
    if not file.is_file():
        return {}
    about = tomllib.loads(file.read_text())
    unknown = set(about) - {"summary"}
    if unknown:
        raise InvalidArgument("agent.toml", ", ".join(sorted(unknown)), "it may hold `summary`")
    return {key: str(value) for key, value in about.items()}


def _execute(file: Path) -> object:
    """Run a file as a module of its own name: two folders may both have an agent.py."""
    name = f"aios_program_{hashlib.sha256(str(file.resolve()).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _entry_point(name: str, load_it: object, source: str) -> Loaded:
    try:
        program = load_it() if callable(load_it) else load_it
        if not isinstance(program, Program):
            raise InvalidArgument("entry point", name, "it must name a function declared with @program")
    except (Exception, SystemExit) as error:  # noqa: BLE001  # somebody's package: whatever it raises is told
        return Loaded(name, source, error=_told(error))
    return Loaded(program.name, source, program=program)


def _told(error: BaseException) -> str:
    """Where it went wrong; the last line, which is all that tables have room for, says what by itself."""
    if isinstance(error, AiosError):
        return str(error)
    where = traceback.format_exception(error, limit=-1)
    return "".join([*where[:-1], f"{type(error).__name__}: {' '.join(str(error).split())}"])
