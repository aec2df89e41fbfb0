"""A tool whose time is up leaves no process behind, and costs those beside it nothing."""

from __future__ import annotations

import os
import subprocess
import threading
import time

import psutil
import pytest

from aios.errors import ToolTimeout
from aios.tools.run import Runner


def alive(mark):
    return [p for p in psutil.process_iter(["cmdline"]) if mark in " ".join(p.info["cmdline"] or [])]


def gone(mark):
    until = time.monotonic() + 5
    while alive(mark) and time.monotonic() < until:
        time.sleep(0.02)
    return not alive(mark)


def test_a_timeout_ends_the_process_tree_and_frees_the_worker():
    runner = Runner(result_bytes=1000)
    mark = f"79{os.getpid()}"
    # A shell with a child, and a daemon of its own session.
    script = f"setsid sleep {mark} & sleep {mark}; true"
    with pytest.raises(ToolTimeout):
        runner.run("t", lambda: subprocess.run(["/bin/sh", "-c", script], check=False).returncode, {}, seconds=0.3)
    assert gone(mark)
    until = time.monotonic() + 5
    while runner.stuck and time.monotonic() < until:
        time.sleep(0.02)
    assert not runner.stuck


def test_the_processes_of_a_tool_beside_it_live_on():
    runner = Runner(result_bytes=1000)
    late = f"80{os.getpid()}"
    results = []

    def beside():
        results.append(runner.run("b", lambda: subprocess.run(["sleep", "1"], check=False).returncode, {}, seconds=9))

    thread = threading.Thread(target=beside)
    thread.start()
    with pytest.raises(ToolTimeout):
        runner.run("a", lambda: subprocess.run(["sleep", late], check=False).returncode, {}, seconds=0.3)
    assert gone(late)
    thread.join()
    assert results == [0]
