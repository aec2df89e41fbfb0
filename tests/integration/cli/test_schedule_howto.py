"""The how-to's commands, as they stand and in their order."""

from __future__ import annotations

import re
import shlex

import pytest

from aios.db import workers
from aios.kernel.program import program
from aios.settings import app_dir
from tests.cli import aios
from tests.integration.worker.world import World

__all__ = ["aios"]

PAGE = (app_dir() / "docs" / "howto" / "schedule.md").read_text()


@program(name="echo")
async def echo(agent, task):
    return task


@pytest.fixture
def world(database_url, redis_url, monkeypatch):
    monkeypatch.setenv("AIOS_DATABASE_URL", database_url)
    monkeypatch.setenv("AIOS_REDIS_URL", redis_url)
    made = World(database_url, redis_url, programs={"echo": echo}, executors={})
    row = {"name": "echo", "version": "1", "source": "x", "summary": "", "tools": [], "error": None}
    with made.database.transaction() as tx:
        workers.publish_programs(tx, [row])
    yield made
    made.close()


def test_the_commands_of_the_how_to_do_what_it_says(world, aios):
    blocks = re.findall(r"^```bash\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).splitlines()
    assert len(lines) > 15
    for line in lines:
        command, _, says = line.partition("#")
        answer = aios(*shlex.split(command)[1:])
        assert answer.code == 0, (line, answer)
        for word in says.strip().split("..."):
            assert word.strip() in answer.out, (line, answer.out)
        world.recovery.tick()  # what a worker does every second
