"""The examples of docs/howto/storage.md, run as they stand: its commands and its program."""

from __future__ import annotations

import io
import re
import shlex
from types import SimpleNamespace

import pytest

from aios.memory.hashing import Hashing
from aios.sdk import loader
from aios.settings import Settings, app_dir
from aios.storage.blobs import Blobs
from aios.storage.executor import StorageExecutor
from aios.storage.index import Index
from aios.storage.store import Store
from tests.cli import aios
from tests.integration.cli.conftest import system
from tests.integration.worker.world import World

__all__ = ["aios", "system"]

PAGE = (app_dir() / "docs" / "howto" / "storage.md").read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_pages_program_runs(database, database_url, redis_url, tmp_path):
    (program,) = blocks("python")
    folder = tmp_path / "diary"
    folder.mkdir()
    (folder / "agent.py").write_text(program)
    programs = loader.programs(loader.load(Settings(agents_path=str(tmp_path))))
    index = Index(database, Blobs(), embedder=Hashing)
    store = Store(index=index, embedder=Hashing)
    world = World(
        database_url,
        redis_url,
        programs={"diary": programs["diary"]},
        executors={"storage": StorageExecutor(store)},
    )
    try:
        agent = world.client.submit("diary", "It rained.")
        world.run()
        told = world.client.result(agent, timeout=0).unwrap()
    finally:
        world.close()
    assert told["text"].startswith("# Today\n\nIt rained.\nWe also painted")
    assert told["versions"] == ["rollback", "write", "append", "write"]
    assert told["found"] == ["today.md", "today.md"]
    assert told["folders"] == {"notes": 1, "backup": 1}
    assert told["pairs"] == [[f"/agents/{agent}/{folder}/today.md" for folder in ("notes", "backup")]]


@pytest.mark.usefixtures("system")
def test_the_pages_commands_run(aios, monkeypatch):
    (commands,) = blocks("bash")
    printed = {}
    for line in commands.splitlines():
        given, _, command = line.rpartition(" | ")
        if given:
            text = shlex.split(given)[1].replace("\\n", "\n")
            monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(text.encode())))
        answer = aios(*shlex.split(command)[1:])
        assert answer.code == 0, (line, answer.err)
        printed[command] = answer.out
    assert "+bread" in printed["aios fs diff list.txt"]
    assert printed["aios fs cat list.txt"] == "milk\n"
    assert "/shared/archive/list.txt" in printed["aios fs ls /shared -r"]
    assert "text/plain  2" in printed["aios fs group type"]
    pair = ("/shared/list.txt", "/shared/archive/list.txt")
    assert printed["aios fs join list.txt archive --on name"].splitlines()[1].split() == [*pair, "1.0"]
    assert "open" in printed["aios fs links list.txt"]
