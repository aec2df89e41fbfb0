"""The documentation's commands, run as they stand and in their order on one system: all but the installation."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from aios.settings import app_dir

DOCS = app_dir() / "docs"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str) -> list[tuple[str, str]]:
    """The fenced blocks of a page: language and text."""
    return BLOCK.findall((DOCS / page).read_text())


def script(page: str) -> list[str]:
    """The `bash` and `python` blocks of a page as shell commands; `sh` is for what is not run here."""
    made = []
    for language, text in blocks(page):
        if language == "bash":
            made.append(text)
        elif language == "python":
            made.append(f"python - <<'END_OF_PYTHON'\n{text}END_OF_PYTHON\n")
    return made


@pytest.mark.timeout(500)
def test_the_commands_of_the_documentation_work(tmp_path):
    start, *rest = script("quickstart.md")
    *rest, stop = rest
    commands = [start, *rest, *script("howto/cron.md"), *script("howto/operate.md"), stop]
    with tempfile.TemporaryDirectory(prefix="q") as data_dir:  # short: Postgres' socket lies in it
        env = {name: value for name, value in os.environ.items() if not name.startswith("AIOS_")}
        env |= {"AIOS_DATA_DIR": data_dir, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"}
        whole = "set -euo pipefail\n" + "\n".join(commands)
        run = ("bash", "-c", whole)
        try:
            done = subprocess.run(run, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=450, check=False)
        finally:
            subprocess.run(("aios", "down"), env=env, capture_output=True, check=False, timeout=60)
    told = done.stdout + done.stderr
    assert done.returncode == 0, told
    for shown in ("391", '"result": "144"', "43.5 euros", "19.98 euros", "storage.write", "greeting"):
        assert shown in done.stdout, f"{shown!r} is missing\n{told}"
