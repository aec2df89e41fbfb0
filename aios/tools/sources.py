"""Where tools come from: those that ship, Python files by path, and entry points of installed packages."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import traceback
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aios.errors import InvalidArgument
from aios.tools.calculator import calculator
from aios.tools.clock import clock
from aios.tools.code import Sandbox, code_tools
from aios.tools.http_get import Fetcher, http_get_tool
from aios.tools.knowledge import arxiv_tool, wikipedia_tool
from aios.tools.own import OWN
from aios.tools.registry import Loaded, LoadError, Registry
from aios.tools.sql import sql_tool
from aios.tools.text import text
from aios.tools.tool import Tool
from aios.tools.web_fetch import web_fetch_tool
from aios.tools.web_search import web_search_tool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from importlib.metadata import EntryPoint
    from types import ModuleType

    from aios.settings import Settings
    from aios.tools.registry import Found, Permits

ENTRY_POINTS: Final = "aios.tools"
_LONGEST_RESULT_BYTES: Final = 64_000_000  # beyond what goes into a file: nobody meant to return it


def load(settings: Settings, *, found: Found | None = None, permits: Permits | None = None) -> Registry:
    """Every tool that can be loaded; what cannot is in the registry's `errors`, and the others go on.

    Args:
        settings: of this process.
        found: tools that are looked up when they are asked for.
        permits: None: no tool's limit is enforced here.
    """
    errors: list[LoadError] = []
    tools = [*built_in(settings), *from_path(settings.tools.path, errors), *from_entry_points(errors)]
    return Registry(
        tools,
        errors=errors,
        timeout_seconds=settings.tools.timeout_seconds,
        result_bytes=_LONGEST_RESULT_BYTES,
        limits=settings.tools.limits,
        found=found,
        permits=permits,
    )


def built_in(settings: Settings) -> list[Loaded]:
    """The tools that ship."""
    chosen = settings.tools
    fetcher = Fetcher(chosen.http_allow, chosen.http_bytes)
    tools = (
        calculator,
        clock,
        text,
        http_get_tool(fetcher),
        web_fetch_tool(fetcher),
        web_search_tool(fetcher, chosen.search),
        wikipedia_tool(fetcher, chosen.wikipedia_url),
        arxiv_tool(fetcher, chosen.arxiv_url),
        sql_tool(chosen.sql_env),
        *OWN,
        *code_tools(Sandbox(chosen.sandbox)),
    )
    return [Loaded(tool, "built-in") for tool in tools]


def from_path(path: str, errors: list[LoadError]) -> list[Loaded]:
    """The tools in the Python files of folders (or single files) joined by `os.pathsep`.

    A file is run under a module name of its own, so that two folders may have a `tools.py` each, and no folder gets
    onto `sys.path`. Names that begin with `_` are left out.
    """
    loaded: list[Loaded] = []
    for place in filter(None, path.split(os.pathsep)):
        for file in _files(Path(place).expanduser(), errors):
            loaded += _guarded(str(file), lambda: _tools_of(_executed(file)), errors)  # noqa: B023  # called at once
    return loaded


def from_entry_points(errors: list[LoadError], *, points: Iterable[EntryPoint] | None = None) -> list[Loaded]:
    """The tools of installed packages: an entry point names a tool, or a module with tools in it."""
    loaded: list[Loaded] = []
    for point in entry_points(group=ENTRY_POINTS) if points is None else points:
        loaded += _guarded(f"entry point {point.value}", lambda: _tools_of(point.load()), errors)  # noqa: B023  # as above
    return loaded


def _files(place: Path, errors: list[LoadError]) -> list[Path]:
    if place.is_dir():
        return sorted(file for file in place.glob("*.py") if not file.name.startswith("_"))
    if not place.is_file():
        errors.append(LoadError(str(place), "there is no such folder or file; mend AIOS_TOOLS__PATH"))
        return []
    return [place]


def _guarded(source: str, make: Callable[[], list[Tool]], errors: list[LoadError]) -> list[Loaded]:
    """The tools of one source; whatever it raises is an entry in `errors`, never the end of the process."""
    try:
        return [Loaded(tool, source) for tool in make()]
    except (Exception, SystemExit) as error:  # noqa: BLE001  # foreign code at its first run
        errors.append(LoadError(source, "".join(traceback.format_exception_only(error)).strip()))
        return []


def _executed(file: Path) -> ModuleType:
    """The module that a file makes, under a name derived from its full path."""
    digest = hashlib.sha256(os.fsencode(file.resolve())).hexdigest()[:12]
    spec = importlib.util.spec_from_file_location(f"aios_tool_{digest}_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where annotations and pickles look the module up
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[spec.name]
        raise
    return module


def _tools_of(found: object) -> list[Tool]:
    """A tool itself, or the tools at a module's top level in their order there, each once."""
    if isinstance(found, Tool):
        return [found]
    tools = [value for value in vars(found).values() if isinstance(value, Tool)] if hasattr(found, "__dict__") else []
    if not tools:
        raise InvalidArgument("tool source", str(found), "it has no function decorated with @tool")
    return list({id(tool): tool for tool in tools}.values())
