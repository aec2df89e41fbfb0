"""Fills in, at each build, what would grow stale if somebody typed it: the settings and the command line."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from pydantic import BaseModel

from aios.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


def on_page_markdown(markdown: str, **_: Any) -> str:
    """MkDocs calls this with each page."""
    for mark, made in {"{{ settings }}": settings, "{{ commands }}": commands}.items():
        if mark in markdown:
            markdown = markdown.replace(mark, made())
    return markdown


def settings() -> str:
    """A table of all settings."""
    rows = [f"| `{name}` | {default} | {text} |" for name, default, text in _fields(Settings, "AIOS_")]
    return "\n".join(["| variable | default | what it is |", "|---|---|---|", *rows])


def commands() -> str:
    """The help of all commands."""
    argv = [sys.executable, "-m", "typer", "aios.cli.main", "utils", "docs", "--name", "aios"]
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    return said.partition("\n")[2].replace("\n#", "\n#").strip()


def _fields(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, str]]:
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _fields(inner, f"{prefix}{name.upper()}__")
        else:
            shown = "" if field.default_factory or field.default in ("", ()) else f"`{field.default}`"
            yield f"{prefix}{name.upper()}", shown, (field.description or "").replace("|", "\\|")
