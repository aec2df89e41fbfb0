"""The how-to's programs and commands, as they stand."""

from __future__ import annotations

import json
import re
import shlex
import sys
import threading
import time
import tomllib
from pathlib import Path

import pytest

from aios.bootstrap.executors import Executors
from aios.bootstrap.parts import Parts
from aios.sdk import loader
from aios.settings import McpSettings, Settings, app_dir
from tests.cli import aios
from tests.integration.worker.world import World

__all__ = ["aios"]

PAGE = (app_dir() / "docs" / "howto" / "tools.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SERVER = Path(__file__).with_name("small_server.py")
MAIL = """
import os
from aios.errors import ToolUnavailable
from aios.tools.tool import tool

@tool(name="mail.send", effect="once")
def send(text: str) -> str:
    "Send a mail."
    raise ToolUnavailable("mail.send", "the server", "it hung up")
"""


def blocks(kind):
    return [text for found, text in BLOCK.findall(PAGE) if found == kind]


@pytest.fixture
def world(database_url, redis_url, monkeypatch, tmp_path):
    for number, text in enumerate(blocks("python")):
        (tmp_path / f"p{number}").mkdir()
        (tmp_path / f"p{number}" / "agent.py").write_text(text)
    (tmp_path / "mail.py").write_text(MAIL)
    (tmp_path / "mode").write_text("weather")
    server = {"name": "weather", "command": [sys.executable, "-I", "-S", str(SERVER), str(tmp_path)]}
    for name, value in {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "AGENTS_PATH": str(tmp_path),
        "EMBEDDER": "hashing",
        "TOOLS__MCP": json.dumps([server]),
        "TOOLS__PATH": str(tmp_path / "mail.py"),
    }.items():
        monkeypatch.setenv(f"AIOS_{name}", value)
    settings = Settings()
    parts = Parts(settings)
    programs = loader.programs(loader.load(settings))
    made = World(database_url, redis_url, programs=programs, executors=Executors(parts), tools=parts.tools.infos())
    monkeypatch.setattr(Parts, "dispatch", property(lambda _: made.dispatch))  # what a command rings, the world hears
    ended = threading.Event()

    def work():
        while not ended.is_set():
            made.run()
            time.sleep(0.01)

    worker = threading.Thread(target=work)
    worker.start()
    yield made
    ended.set()
    worker.join()
    made.close()
    parts.close()


@pytest.mark.timeout(90)
def test_the_commands_and_programs_of_the_how_to_do_what_it_says(world, aios):
    out = []
    for line in "".join(blocks("sh")).splitlines():
        answer = aios(*shlex.split(line)[1:])
        assert answer.code == 0, (line, answer)
        out.append(answer.out)
    listed, shown, called, never, met, offered, accepted = out
    assert "python.run" in listed
    assert "web.search" in listed
    assert "off: no provider" in listed
    assert '"code"' in shown
    assert called.strip() == "42"
    assert "never met" in never
    assert "forecast" in met
    assert "Tell the weather" in offered
    assert "nothing has changed" in accepted
    client = world.client
    assert client.result(client.submit("analyst", "1 2 3 4"), timeout=30).unwrap() == [0, 12.0]
    writer = client.submit("writer", "hello")
    until = time.monotonic() + 20
    while not client.questions(writer) and time.monotonic() < until:
        time.sleep(0.05)
    question = client.questions(writer)[0]["question"]
    assert "was broken off, and it is declared `once`" in question
    client.answer(writer, "yes")
    assert client.result(writer, timeout=20).unwrap() == "yes"


def test_the_configuration_of_the_how_to_loads():
    (text,) = blocks("toml")
    servers = [McpSettings(**server) for server in tomllib.loads(text)["tools"]["mcp"]]
    assert [server.name for server in servers] == ["weather", "tickets"]
