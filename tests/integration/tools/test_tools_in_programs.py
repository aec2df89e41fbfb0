"""Tools as programs call them: real syscalls, a real sandbox, real files; what they change commits with their syscall."""

from __future__ import annotations

import pytest

from aios.bootstrap.executors import Executors
from aios.bootstrap.parts import Parts
from aios.errors import AiosError, ToolOff
from aios.kernel.chat import ToolCall, Usage
from aios.kernel.ports import Outcome
from aios.kernel.program import program
from aios.settings import SandboxSettings, Settings, ToolSettings
from tests.integration.worker.world import World

RESULT_BYTES = 2_000
PICTURE = b"\x89PNG\r\n\x1a\n\x00\x80\xfe"


@program(tools=["python.run", "shell.run"])
async def coder(agent, task):
    await agent.storage.write("in/numbers.txt", "1 2 3 4")
    ran = await agent.tool.call(
        "python.run",
        code="print(sum(map(int, open('in/numbers.txt').read().split()))); open('out.txt', 'w').write('10')",
    )
    listed = await agent.tool.call("shell.run", script="cat out.txt; rm out.txt; echo no > in/numbers.txt; exit 1")
    return [ran, await agent.storage.read("out.txt"), listed, await agent.storage.read("in/numbers.txt")]


@program(tools=["python.run", "shell.run"])
async def painter(agent, task):
    await agent.storage.write("in.png", PICTURE)
    await agent.storage.write("long.bin", bytes(60_000))
    script = "tr '\\000' '\\377' < in.png > out.png; ls"
    ran = await agent.tool.call("shell.run", script=script)
    return [ran, (await agent.storage.read_bytes("out.png")).hex()]


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


@program(tools=["files.write", "files.read", "files.list", "memory.add", "memory.search"])
async def keeper(agent, task):
    await agent.tool.call("files.write", path="a/b.md", content="hello")
    for fact in ("Ann likes tea.", "Bob likes maths."):
        await agent.tool.call("memory.add", content=fact)
    found = await agent.tool.call("memory.search", query="Ann likes tea.", k=1)
    listed = await agent.tool.call("files.list")
    refusals = []
    for path in ("/shared/x.md", "/agents/00000000-0000-7000-8000-000000000000/x", "../x"):
        try:
            await agent.tool.call("files.read", path=path)
        except AiosError as error:
            refusals.append(type(error).__name__)
    return [
        (await agent.tool.call("files.read", path="a/b.md"))["content"],
        found[0]["content"],
        [file["path"].rsplit("/", 1)[1] for file in listed],
        refusals,
    ]


@program(tools=["calculator", "files.write", "files.read"])
async def actor(agent, task):
    reply, results = await agent.llm.act("do it", tools=agent.tools)
    return [results, [call.to_json() for call in reply.tool_calls]]


PROGRAMS = {p.name: p for p in (coder, painter, talker, refused, keeper, actor)}


class Model:
    """An `llm` executor that calls tools as it is told to, round by round, and keeps what it was asked."""

    def __init__(self):
        self.rounds = []
        self.asked = []

    def perform(self, call):
        self.asked.append(call.messages)
        calls = [ToolCall(name, arguments, f"c{n}").to_json() for n, (name, arguments) in enumerate(self.rounds.pop(0))]
        message = {"role": "assistant", "content": "", "tool_calls": calls}
        return Outcome(result={"finish_reason": "stop"}, message=message, usage=Usage(3, 1))

    def cancel(self, syscall):
        pass


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
    real, model = Executors(parts), Model()
    executors = {"llm": model, **{pool: real[pool] for pool in ("memory", "storage", "tool")}}
    made = World(database_url, redis_url, programs=PROGRAMS, executors=executors, tools=parts.tools.infos())
    made.model = model
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


@pytest.mark.parametrize("world", [{"file_bytes": 50_000}], indirect=True)
def test_binary_files_go_in_and_come_out_and_what_does_not_fit_is_named(world):
    ran, out = run(world, "painter").value
    assert bytes.fromhex(out) == PICTURE.replace(b"\x00", b"\xff")
    assert (ran["stdout"].split(), ran["not_given"]) == (["in.png", "out.png"], ["long.bin"])
    assert "not_kept" not in ran


def test_a_long_result_goes_into_a_file_and_a_reference_is_journalled(world):
    told, length = run(world, "talker").value
    assert told["bytes"] > 60_000
    assert told["beginning"].startswith('{"exit_code":0')
    assert length == told["bytes"]
    assert told["spilled"].startswith("/agents/")


@pytest.mark.parametrize("world", [{"enabled": False}], indirect=True)
def test_where_no_sandbox_can_be_had_the_program_gets_a_typed_error(world):
    assert "switched off" in run(world, "refused").value


def test_files_and_memory_are_the_agents_own_and_nobody_elses(world):
    content, found, listed, refusals = run(world, "keeper").unwrap()
    assert (content, found, listed) == ("hello", "Ann likes tea.", ["b.md"])
    assert refusals == ["AccessDenied", "AccessDenied", "PathDenied"]


def test_a_models_wrong_call_is_mended_in_one_round_and_its_right_ones_are_not_made_again(world):
    world.model.rounds = [
        [("files.write", {"path": "a.md", "content": "once"}), ("calculator", {"expresion": "6*7"})],
        [("calculator", {"expression": "6 * 7"})],
    ]
    results, calls = run(world, "actor").unwrap()
    assert results[0]["result"]["version"] == 1
    assert results[1] == {"tool": "calculator", "id": "c0.1", "result": 42, "repairs": 1}
    assert [call["function"]["name"] for call in calls] == ["files.write", "calculator"]
    told = world.model.asked[1][-1]
    assert told["role"] == "tool"
    assert "did you mean expression?" in told["content"]


def test_a_model_that_never_mends_its_call_ends_after_one_round(world):
    world.model.rounds = [[("calculator", {})], [("calculator", {})]]
    (entry,), _ = run(world, "actor").unwrap()
    assert (entry["kind"], entry["repairs"]) == ("BadToolArguments", 1)
    assert world.model.rounds == []


def test_what_one_call_of_a_reply_is_refused_in_its_effect_is_undone_alone(world):
    world.model.rounds = [
        [
            ("files.read", {"path": "no.md"}),
            ("files.write", {"path": "a.md", "content": "x"}),
            ("calculator", {"expression": "1"}),
        ]
    ]
    (missing, written, sums), _ = run(world, "actor").unwrap()
    assert missing["kind"] == "NotFound"
    assert written["result"]["version"] == 1
    assert sums["result"] == 1
