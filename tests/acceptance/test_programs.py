"""The programs that ship, on real workers and the real local model: what the kernel does is checked, and one sum."""

from __future__ import annotations

import io
import json

import pytest

from aios.cli.shell import Talk
from tests.acceptance.system import THREADS, Node, System

pytestmark = pytest.mark.timeout(300)

FLEET = (
    Node("agents", "agent,memory,storage,tool", (*THREADS, "4")),
    Node("models", "llm", (*THREADS, "4")),
)


PRINTS = """
from aios import program


def facts():
    return {"longer": 1, "b": {"zz": 1, "y": 2}}


@program(tools=["text"])
async def prints(agent, task):
    found = await agent.step(facts)
    return [await agent.tool.call("text", operation="upper", text=str(found)) for _ in range(3)]
"""


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    folder = tmp_path_factory.mktemp("programs")
    own = folder / "agents" / "prints"
    own.mkdir(parents=True)
    (own / "agent.py").write_text(PRINTS)
    env = {"AIOS_AGENTS_PATH": str(own.parent)}
    with System(folder, fleet=FLEET, engine=("--backend", "llama", "--slots", "4"), env=env) as started:
        yield started


def ran(system, program, task):
    """Run an agent; gives its result and its journal."""
    agent = system.client.submit(program, task)
    value = system.client.result(agent, timeout=240).unwrap()
    return value, list(system.client.journal(agent))


def test_react_thinks_uses_a_tool_and_answers_with_what_it_saw(system):
    value, journal = ran(system, "react", "What is 17 * 23?")
    assert value == "391"
    assert [call["pool"] for call in journal] == ["llm", "tool", "llm"]
    said = "".join(system.client.stream(str(system.client.list(limit=1)[0]["id"])))
    first = json.JSONDecoder().raw_decode(said)[0]
    assert list(first) == ["thought", "tool", "input"], "the schema's order was lost on its way to the model"


def test_map_reduce_runs_a_child_per_item(system):
    value, _ = ran(system, "map_reduce", "Say hello.\nSay good morning.")
    assert all(result["result"] for result in value["results"])
    children = [row for row in system.client.list() if row["parent_id"] is not None]
    assert [(row["program"], row["state"]) for row in children] == [("echo", "done")] * 2


def test_reflexion_remembers_a_lesson_when_its_answer_is_wrong(system):
    value, journal = ran(system, "reflexion", {"task": "Say hello.", "contains": ["xylophone"]})
    assert (value["trials"], value["wrong"]) == (3, "The answer must contain the words xylophone.")
    ops = [f"{call['pool']}.{call['op']}" for call in journal]
    assert ops == ["llm.chat", *["llm.chat", "memory.add", "memory.search", "llm.chat"] * 2]


def test_a_replay_sees_the_fields_of_a_value_in_the_order_of_the_first_run(system):
    value, _ = ran(system, "prints", "go")
    assert len(set(value)) == 1


def test_shell_changes_no_file_without_a_yes_whatever_the_small_model_makes_of_a_command(system, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())  # nobody is there to say yes
    talk = Talk(system.client, session="test", yes=False, seconds=200)
    report = f"@{talk.agent}/report.md"
    system.client.files.write(report, b"the only copy")
    assert talk.say("delete the report")
    assert system.client.files.read(report) == b"the only copy"
    assert len(system.client.files.perform("history", path=report)) == 1
