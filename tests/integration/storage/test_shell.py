"""`aios shell` through the whole kernel: a session's agent, a model that says what a test wants, a person who agrees or not."""

from __future__ import annotations

import io
import json
import threading

import pytest

from aios.cli.shell import Talk
from aios.db import workers
from aios.kernel.chat import Usage
from aios.kernel.ports import Outcome
from aios.sdk import loader
from aios.settings import Settings
from aios.storage.executor import StorageExecutor
from tests.integration.worker.world import World


class Model:
    def __init__(self):
        self.says = []

    def perform(self, call):
        message = {"role": "assistant", "content": self.says.pop(0)}
        return Outcome(result={"finish_reason": "stop"}, message=message, usage=Usage(1, 1))

    def cancel(self, syscall):
        pass


@pytest.fixture
def model():
    return Model()


@pytest.fixture
def client(database_url, redis_url, model):
    programs = loader.programs(loader.load(Settings()))
    executors = {"storage": StorageExecutor(), "llm": model}
    world = World(database_url, redis_url, programs={"shell": programs["shell"]}, executors=executors)
    with world.database.transaction() as tx:
        row = {"name": "shell", "version": "1", "source": "x", "summary": "", "tools": [], "error": None}
        workers.publish_programs(tx, [row])
    stopped = threading.Event()

    def work():
        while not stopped.is_set():
            world.run()

    thread = threading.Thread(target=work)
    thread.start()
    yield world.client
    stopped.set()
    thread.join()
    world.close()


def steps(*made):
    return json.dumps({"steps": list(made)})


def test_a_session_keeps_its_files_and_asks_before_it_changes_one(client, model, monkeypatch):
    talk = Talk(client, session="s", yes=False, seconds=30)
    model.says.append(steps({"op": "create", "path": "list.txt", "content": "milk\n"}))
    assert "list.txt is at version 1" in talk.say("a list with milk")
    again = Talk(client, session="s", yes=True, seconds=30)
    assert again.agent == talk.agent
    model.says.append(
        steps({"op": "append", "path": "list.txt", "content": "bread\n"}, {"op": "read", "path": "list.txt"})
    )
    assert "milk\nbread" in again.say("bread too")
    monkeypatch.setattr("sys.stdin", io.StringIO())  # nobody is there
    model.says.append(steps({"op": "delete", "path": "list.txt"}))
    assert not talk.unanswered
    assert "Nothing was done" in talk.say("away with it")
    assert talk.unanswered  # the command ends with 1
    assert client.files.read(f"@{talk.agent}/list.txt") == b"milk\nbread\n"
    model.says += ["Sure! I will delete everything.", steps()]
    assert "nothing was done" in again.say("away with it")
    assert "nothing was done" in again.say("sing")
    assert Talk(client, session="other", yes=False, seconds=30).agent != talk.agent


def test_a_session_whose_agent_was_killed_goes_on_with_another(client, model):
    first = Talk(client, session="s", yes=True, seconds=30).agent
    client.cancel(first)
    model.says.append(steps({"op": "list", "pattern": "**"}))
    talk = Talk(client, session="s", yes=True, seconds=30)
    assert talk.agent != first
    assert "nothing found" in talk.say("what is there?")
