"""The examples of docs/howto/watch.md and docs/howto/context.md, run as they stand."""

from __future__ import annotations

import re
import shlex

import pytest

from aios.llm.executor import LLMExecutor
from aios.memory.executor import MemoryExecutor
from aios.memory.hashing import Hashing
from aios.sdk import loader
from aios.settings import LLMSettings, Settings, app_dir
from aios.testing import FakeDriver, FakeSink, FakeToolBox
from tests.integration.worker.world import World

PAGES = app_dir() / "docs" / "howto"


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", (PAGES / page).read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def world(database_url, redis_url, tmp_path, monkeypatch):
    """A system with the programs of the page and an agent that has asked a model."""
    monkeypatch.setenv("AIOS_DATABASE_URL", database_url)
    monkeypatch.setenv("AIOS_REDIS_URL", redis_url)
    for number, text in enumerate(blocks("context.md", "python")):
        (tmp_path / f"page{number}").mkdir()
        (tmp_path / f"page{number}" / "agent.py").write_text(text)
    found = [item.program for item in loader.load(Settings(agents_path=str(tmp_path))) if not item.error]
    driver = FakeDriver("as you say", window_tokens=400)
    llm = LLMExecutor(driver, sink=FakeSink(), toolbox=FakeToolBox({}), settings=LLMSettings())
    programs = {program.name: program for program in found}
    made = World(
        database_url, redis_url, programs=programs, executors={"llm": llm, "memory": MemoryExecutor(Hashing())}
    )
    yield made
    made.close()
    llm.close()


def test_the_programs_of_the_page_do_what_it_says(world):
    lines = [f"line {n} of a long talk about nothing much" for n in range(30)]
    talk = world.client.submit("companion", lines)
    question = world.client.submit("contract", {"contract": "We pay 5.", "chatter": lines, "question": "How much?"})
    world.run()
    said = world.client.result(talk, timeout=0).unwrap()
    assert said["said"] == 61
    assert said["not shown"] > 20
    assert world.client.result(question, timeout=0).unwrap().startswith("as you say (")
    ops = {f"{call['pool']}.{call['op']}" for call in world.client.journal(talk)}
    assert ops == {"llm.chat", "memory.page_out", "memory.recall"}


def test_the_commands_of_the_page_work_in_their_order(world, aios, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    world.client.submit("companion", ["hello", "and goodbye"])
    world.run()
    for line in "".join(blocks("watch.md", "bash")).splitlines():
        if line.startswith("echo "):
            text, name = line.removeprefix("echo ").split(" > ")
            (tmp_path / name).write_text(shlex.split(text)[0])
            continue
        name, *arguments = shlex.split(line)
        assert name == "aios"
        told = aios(*arguments)
        assert told.code == 0, told.err
    assert "fork after 1" in told.out
