"""Tools as programs call them: real syscalls, a real sandbox, real files; what they change commits with their syscall."""

from __future__ import annotations

import pytest

from aios.bootstrap import Executors, Parts
from aios.errors import ToolOff
from aios.kernel.program import program
from aios.settings import SandboxSettings, Settings, ToolSettings
from tests.integration.worker.world import World

RESULT_BYTES = 2_000


@program(tools=["python.run", "shell.run"])
async def coder(agent, task):
    await agent.storage.write("in/numbers.txt", "1 2 3 4")
    ran = await agent.tool.call(
        "python.run",
        code="print(sum(map(int, open('in/numbers.txt').read().split()))); open('out.txt', 'w').write('10')",
    )
    listed = await agent.tool.call("shell.run", script="cat out.txt; rm out.txt; echo no > in/numbers.txt; exit 1")
    return [ran, await agent.storage.read("out.txt"), listed, await agent.storage.read("in/numbers.txt")]


@program(tools=["python.run"])
async def talker(agent, task):
    told = await agent.tool.call("python.run", code="print('x' * 60_000)")
    return [told, len(await agent.storage.read(told["spilled"]))]


@program(tools=["python.run"])
async def refused(agent, task):
    try:
        await agent.tool.call("python.run", code="print(1)")
    except ToolOff as error:
        return str(error)


PROGRAMS = {p.name: p for p in (coder, talker, refused)}


@pytest.fixture
def world(database_url, redis_url, request):
    sandbox = SandboxSettings(**getattr(request, "param", {}))
    settings = Settings(
        database_url=database_url,
        redis_url=redis_url,
        embedder="hashing",
        tools=ToolSettings(sandbox=sandbox, result_bytes=RESULT_BYTES),
    )
    parts = Parts(settings)
    made = World(database_url, redis_url, programs=PROGRAMS, executors=Executors(parts), tools=parts.tools.infos())
    yield made
    made.close()
    parts.close()


def run(world, name, task="go"):
    agent = world.client.submit(name, task)
    world.run()
    return world.client.result(agent, timeout=0)


def test_code_works_on_the_agents_files_and_what_it_writes_is_a_version(world):
    result = run(world, "coder")
    ran, out, listed, numbers = result.value
    own = f"/agents/{result.id}/"
    assert ran == {"exit_code": 0, "stdout": "10\n", "stderr": "", "files": [own + "out.txt"]}
    assert out == "10"
    assert (listed["exit_code"], listed["stdout"], listed["files"]) == (1, "10", [own + "in/numbers.txt"])
    assert numbers == "no\n"


def test_a_long_result_goes_into_a_file_and_a_reference_is_journalled(world):
    told, length = run(world, "talker").value
    assert told["bytes"] > 60_000
    assert told["beginning"].startswith('{"exit_code":0')
    assert length == told["bytes"]
    assert told["spilled"].startswith("/agents/")


@pytest.mark.parametrize("world", [{"enabled": False}], indirect=True)
def test_where_no_sandbox_can_be_had_the_program_gets_a_typed_error(world):
    assert "switched off" in run(world, "refused").value
