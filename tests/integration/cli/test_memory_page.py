"""The examples of docs/howto/memory.md, run as they stand."""

from __future__ import annotations

import json
import re
import shlex

import pytest

from aios.kernel.lru_k import Marks
from aios.llm.asides import Asides
from aios.llm.executor import LLMExecutor
from aios.memory.cache import RedisCache
from aios.memory.executor import MemoryExecutor
from aios.memory.hashing import Hashing
from aios.sdk import loader
from aios.settings import LLMSettings, Settings, app_dir
from aios.testing import FakeDriver, FakeSink, FakeToolBox
from tests.integration.worker.world import World

PAGE = app_dir() / "docs" / "howto" / "memory.md"


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def answers(prompt):
    if prompt.schema is None:
        return "She lives in Lisbon."
    return json.dumps({"keywords": ["Karin"], "context": "About her.", "tags": [], "category": "people"})


@pytest.fixture
def world(database_url, redis_url, tmp_path):
    for number, text in enumerate(blocks("python")):
        (tmp_path / f"page{number}").mkdir()
        (tmp_path / f"page{number}" / "agent.py").write_text(text)
    found = [item.program for item in loader.load(Settings(agents_path=str(tmp_path))) if not item.error]
    llm = LLMExecutor(FakeDriver(answers), sink=FakeSink(), toolbox=FakeToolBox({}), settings=LLMSettings())
    programs = {program.name: program for program in found}
    made = World(database_url, redis_url, programs=programs, executors={"llm": Asides(llm)})
    cache = RedisCache(redis_url, marks=Marks.of(1_000_000))
    made.executors["memory"] = MemoryExecutor(
        Hashing(), cache, database=made.database, count=lambda said, model: len(said.split())
    )
    yield made
    made.close()
    llm.close()
    cache.close()


def test_the_programs_of_the_page_do_what_it_says(world):
    tasks = {
        "counts": "to be or not to be",
        "friend": "go",
        "diary": "Karin plays the cello.",
        "companion": ["Where does Karin live?", "Where does Karin live now?"],
    }
    agents = {name: world.client.submit(name, task) for name, task in tasks.items()}
    world.run()
    told = {name: world.client.result(agent, timeout=0).unwrap() for name, agent in agents.items()}
    assert told["counts"] == {"counted": {"count/be": 2, "count/not": 1, "count/or": 1, "count/to": 2}, "blocks": 4}
    assert told["friend"] == {
        "found": "Karin lives in Lisbon.",
        "was": ["Karin lives in Oslo."],
        "related": ["Bread needs rye flour."],
    }
    assert told["diary"] == {"keywords": ["Karin"], "links": 0, "analysis": {"state": "done"}}
    assert told["companion"] == "She lives in Lisbon."
    asked = world.executors["llm"]._executor._driver.asked
    assert any("What you remember" in str(prompt.messages[0]["content"]) for prompt in asked)


def test_the_commands_of_the_page_work_in_their_order(aios, database_url, redis_url, monkeypatch):
    monkeypatch.setenv("AIOS_DATABASE_URL", database_url)
    monkeypatch.setenv("AIOS_REDIS_URL", redis_url)
    monkeypatch.setenv("AIOS_EMBEDDER", "hashing")
    told = []
    for line in "".join(blocks("bash")).splitlines():
        name, *arguments = shlex.split(line)
        assert name == "aios"
        told.append(aios(*arguments))
        assert told[-1].code == 0, told[-1].err
    assert "closed on Fridays" in told[1].out
    assert "group" in told[2].out
    assert told[3].err == "0 notes embedded anew, 0 left\n"
