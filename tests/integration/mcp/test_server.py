"""AIOS as an MCP server, spoken to by the official SDK's own client: a real kernel behind it, and a real process."""

from __future__ import annotations

import sys
import threading
import time

import anyio
import pytest
from mcp import Client as McpClient
from mcp import StdioServerParameters

from aios.bootstrap.executors import Executors
from aios.bootstrap.parts import Parts
from aios.errors import DatabaseUnavailable
from aios.kernel.words import AgentState
from aios.mcp.orders import Orders
from aios.mcp.server import Bridge
from aios.sdk import loader
from aios.settings import Settings, ToolSettings
from tests.integration.worker.world import World

TOOLS = """
import time
from aios.tools.tool import tool

@tool(name="odd.name")
def odd(n: int) -> dict:
    "Say whether a number is odd."
    return {"odd": n % 2 == 1}

@tool
def nap(seconds: float) -> str:
    "Take its time."
    time.sleep(seconds)
    return "woke up"
"""


@pytest.fixture
def world(database_url, redis_url, tmp_path):
    (tmp_path / "more.py").write_text(TOOLS)
    settings = Settings(
        database_url=database_url, redis_url=redis_url, embedder="hashing", tools=ToolSettings(path=str(tmp_path))
    )
    parts = Parts(settings)
    programs = loader.programs(loader.load(settings))
    made = World(database_url, redis_url, programs=programs, executors=Executors(parts), tools=parts.tools.infos())
    made.registry = parts.tools
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


def asked(world, talk, *, seconds=30.0):
    orders = Orders([world.registry.spec(loaded.tool.name) for loaded in world.registry.listing()], group="desk")
    bridge = Bridge(world.client, orders, group="desk", seconds=seconds)

    async def main():
        async with McpClient(bridge.server()) as client:
            return await talk(client)

    return anyio.run(main)


def test_a_client_lists_and_calls_tools_and_errors_are_told(world):
    async def talk(client):
        names = {one.name for one in (await client.list_tools()).tools}
        sums = await client.call_tool("calculator", {"expression": "6 * 7"})
        odd = await client.call_tool("odd_name", {"n": 3})
        wrong = await client.call_tool("calculator", {"expresion": "6"})
        zero = await client.call_tool("calculator", {"expression": "1 / 0"})
        unknown = await client.call_tool("calculatr", {})
        return names, sums, odd, wrong, zero, unknown

    names, sums, odd, wrong, zero, unknown = asked(world, talk)
    assert {"calculator", "odd_name", "memory_search", "storage_read", "python_run"} <= names
    assert (sums.is_error, sums.content[0].text) == (False, "42")
    assert odd.structured_content == {"odd": True}
    assert wrong.is_error
    assert "required property" in wrong.content[0].text
    assert "divides by zero" in zero.content[0].text
    assert "did you mean 'calculator'" in unknown.content[0].text


def test_clients_share_a_groups_memory_and_files_and_reach_no_others(world):
    async def talk(client):
        await client.call_tool("memory_add", {"content": "the cat is called Mimi", "tags": ["cat"]})
        found = await client.call_tool("memory_search", {"query": "the cat is called Mimi", "k": 1})
        await client.call_tool("storage_write", {"path": "notes/a.md", "content": "hello"})
        listed = await client.call_tool("storage_list", {})
        read = await client.call_tool("storage_read", {"path": "notes/a.md"})
        out = await client.call_tool("storage_read", {"path": "../other/a.md"})
        return found, listed, read, out

    found, listed, read, out = asked(world, talk)
    assert "Mimi" in found.content[0].text
    assert "/groups/desk/notes/a.md" in listed.content[0].text
    assert read.content[0].text == "hello"
    assert out.is_error


def test_a_call_that_takes_too_long_is_cancelled_with_its_agent(world):
    async def talk(client):
        return await client.call_tool("nap", {"seconds": 3})

    told = asked(world, talk, seconds=0.5)
    assert told.is_error
    assert "no result after 0.5 s" in told.content[0].text
    assert world.client.list(limit=1)[0]["state"] == AgentState.CANCELLED


def test_the_command_serves_a_client_by_stdio(database_url, redis_url):
    env = {"AIOS_DATABASE_URL": database_url, "AIOS_REDIS_URL": redis_url}
    command = ["-m", "aios", "mcp", "serve", "--tool", "calculator"]

    async def main():
        async with McpClient(StdioServerParameters(command=sys.executable, args=command, env=env)) as client:
            return {one.name for one in (await client.list_tools()).tools}

    names = anyio.run(main)
    assert "calculator" in names
    assert "clock" not in names


def test_a_call_outlasts_a_database_that_goes_away(world, monkeypatch):
    looks, result = [], world.client.result

    def broken(agent, timeout):
        looks.append(agent)
        if len(looks) == 1:
            raise DatabaseUnavailable("here", "the connection broke")
        return result(agent, timeout=timeout)

    async def talk(client):
        return await client.call_tool("calculator", {"expression": "6 * 7"})

    monkeypatch.setattr(world.client, "result", broken)
    assert asked(world, talk).content[0].text == "42"
