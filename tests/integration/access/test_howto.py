"""The how-to's commands, as they stand and in their order."""

from __future__ import annotations

import re
import shlex

import pytest

from aios.bootstrap.parts import Parts
from aios.sdk import loader
from aios.settings import AccessSettings, Settings, app_dir
from aios.storage.executor import StorageExecutor
from tests.cli import aios
from tests.integration.worker.world import World

__all__ = ["aios"]

PAGE = (app_dir() / "docs" / "howto" / "access.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def world(database_url, redis_url, monkeypatch, tmp_path):
    (tmp_path / "editor").mkdir()
    (tmp_path / "editor" / "agent.py").write_text(next(text for kind, text in BLOCK.findall(PAGE) if kind == "python"))
    found = {
        item.program.name: item.program for item in loader.load(Settings(agents_path=str(tmp_path))) if item.program
    }
    monkeypatch.setenv("AIOS_DATABASE_URL", database_url)
    monkeypatch.setenv("AIOS_REDIS_URL", redis_url)
    made = World(
        database_url,
        redis_url,
        programs={"editor": found["editor"]},
        executors={"storage": StorageExecutor()},
        access=AccessSettings(),
    )
    monkeypatch.setattr(Parts, "dispatch", property(lambda _: made.dispatch))  # what a command rings, the world hears
    yield made
    made.close()


@pytest.mark.timeout(40)
def test_the_commands_of_the_how_to_do_what_it_says(world, aios):
    shown = []
    for line in "".join(text for kind, text in BLOCK.findall(PAGE) if kind == "bash").splitlines():
        command, _, says = line.partition("#")
        answer = aios(*shlex.split(command)[1:])
        assert answer.code == 0, (line, answer)
        for word in says.strip().split("..."):
            assert word.strip() in answer.out, (line, answer.out)
        shown.append(answer.out)
        world.run()
    assert "as it was written" in shown[-1]
