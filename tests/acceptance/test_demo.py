"""`make demo` as a newcomer runs it, with half its agents: from nothing to results on the real model, and nothing left behind,
whatever happens.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from aios.settings import app_dir

DEMO = (sys.executable, "-m", "benchmarks.demo", "--short")


@pytest.fixture
def folder(monkeypatch):
    """Where the demo makes its temporary folder. A short path: Postgres' socket lies in it."""
    with tempfile.TemporaryDirectory(prefix="d") as made:
        monkeypatch.setenv("TMPDIR", made)
        yield Path(made)


def left(folder: Path) -> list[str]:
    """Living processes of a system below `folder`."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get("AIOS_DATA_DIR", "").startswith(str(folder)):
                found.append(" ".join(process.cmdline()))
    return found


@pytest.mark.timeout(400)
def test_the_demo_runs_its_agents_kills_a_worker_and_leaves_nothing(folder):
    done = subprocess.run(DEMO, cwd=app_dir(), capture_output=True, text=True, timeout=390, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "submitted 6 agents" in done.stdout
    assert "SIGKILL of worker-llm" in done.stdout
    assert "after the kill" in done.stdout
    table = done.stdout.partition("Times")[2]
    for program in ("echo", "react", "map_reduce", "reflexion"):
        assert f"{program}-" in table
    assert "processes left: 0" in done.stdout
    assert "\x1b" not in done.stdout, "colours where nobody watches"
    assert left(folder) == []
    assert list(folder.iterdir()) == []


@pytest.mark.timeout(180)
def test_a_ctrl_c_stops_everything(folder):
    with subprocess.Popen(DEMO, cwd=app_dir(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        assert any("submitted 6 agents" in line for line in demo.stdout)
        demo.send_signal(signal.SIGINT)
        time.sleep(0.5)
        demo.send_signal(signal.SIGINT)  # impatient
        _, complaint = demo.communicate(timeout=90)
    assert demo.returncode == 130
    assert complaint.strip() == "interrupted"
    assert left(folder) == []
    assert list(folder.iterdir()) == []


@pytest.mark.timeout(120)
def test_a_part_that_cannot_start_is_one_clear_error(folder):
    def no_large_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    done = subprocess.run(
        DEMO, cwd=app_dir(), capture_output=True, text=True, timeout=110, check=False, preexec_fn=no_large_files
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert left(folder) == []
