"""Smoke test of the built wheel: in an empty environment it imports, tells its version, and carries its application."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

CHECK = """
import importlib.util, aios, aios.settings
app = aios.settings.app_dir()
for part in ("tasks/__init__.py", "config/celeryconfig.py", "agents/echo/agent.py"):
    assert (app / part).is_file(), f"the wheel lacks {part}"
for name in ("tasks", "agents", "config", "docker", "tests", "benchmarks"):
    spec = importlib.util.find_spec(name)
    assert spec is None, f"the wheel installs the import package {name}: {spec}"
from aios.sdk import loader
loaded = loader.load(aios.settings.load())
assert not [item.error for item in loaded if item.error], loaded
print("wheel:", ", ".join(item.name for item in loaded))
"""


def main(folder: str) -> None:
    wheel = max(Path(folder).glob("*.whl"), key=lambda file: file.stat().st_mtime)
    with tempfile.TemporaryDirectory() as place:
        venv.create(place)
        python = Path(place, "bin", "python")
        # Our own pip fills it: a pip of its own, and bytecode for all of it, would take half of the time.
        pip = [sys.executable, "-m", "pip", "--python", python, "install", "--no-compile"]
        subprocess.run([*pip, "--quiet", "--disable-pip-version-check", wheel.resolve()], check=True)
        subprocess.run([python, "-c", CHECK], check=True, cwd=place)
        subprocess.run([Path(place, "bin", "aios"), "--help"], check=True, cwd=place, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main(sys.argv[1])
