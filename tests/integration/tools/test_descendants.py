"""A tool whose time is up leaves no process behind, and costs those beside it nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from uuid import UUID

import psutil
import pytest
from sqlalchemy import text

from aios.errors import ToolTimeout
from aios.kernel.plan import ToolInfo
from aios.kernel.program import program
from aios.tools.run import Runner
from tests.integration.worker.world import World

HANGS = '''
import time
from aios.tools.tool import tool

@tool(timeout_seconds=0.2)
def hangs() -> None:
    """Never come back."""
    while True:
        time.sleep(1)
'''
CHILD = """
import sys
from uuid import UUID
from aios.bootstrap.kernel import Kernel
from aios.settings import Settings
from aios.worker.incarnation import Role

kernel = Kernel(Settings(), Role(("tool",), 0), programs={})
kernel.start()
kernel.execution.run(UUID(sys.argv[1]), pool="tool")
"""


@program(tools=["hangs"])
async def waits(agent, task):
    await agent.tool.call("hangs")


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
        results.append(runner.run("b", lambda: subprocess.run(["sleep", "0.6"], check=False).returncode, {}, seconds=9))

    thread = threading.Thread(target=beside)
    thread.start()
    with pytest.raises(ToolTimeout):
        runner.run("a", lambda: subprocess.run(["sleep", late], check=False).returncode, {}, seconds=0.3)
    assert gone(late)
    thread.join()
    assert results == [0]


def test_a_child_in_which_a_tool_never_comes_back_writes_that_down_and_leaves(database_url, redis_url, tmp_path):
    """No thread can be stopped; its process can, and its pool replaces it."""
    (tmp_path / "hangs.py").write_text(HANGS)
    tools = {"hangs": ToolInfo("hangs", seconds=0.2)}
    world = World(database_url, redis_url, programs={"waits": waits}, executors={}, tools=tools)
    world.drive.run(UUID(world.client.submit("waits", "x")))
    with world.database.statement() as tx:
        call = tx.execute(text("SELECT id FROM syscalls")).scalar_one()
    urls = {"AIOS_DATABASE_URL": database_url, "AIOS_REDIS_URL": redis_url, "AIOS_TOOLS__PATH": str(tmp_path)}
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(call)], env={**os.environ, **urls}, check=False, timeout=30
    )
    assert child.returncode == 70
    with world.database.statement() as tx:
        found = tx.execute(text("SELECT state, errors, crashes FROM syscalls")).one()
    assert found == ("queued", 1, 0)
    world.close()
