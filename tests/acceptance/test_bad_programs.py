"""Every way in which a program can misbehave ends in one clear error, and every other agent goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.system import THREADS, Node, System

FLEET = (Node("agent-1", "agent", (*THREADS, "4")), Node("llm-1", "llm", (*THREADS, "2")))

EXPECTED = {
    "loops": ("ProgramStuck", "while True"),
    "sleeps": ("ProgramStuck", "time.sleep(600)"),
    "swallows": ("ProgramBroke", "never catch BaseException"),
    "foreign": ("ForeignAwaitable", "agent.step"),
    "raises": ("ProgramFailed", "LookupError: no task"),
    "no_json": ("NotJson", "the program's result"),
}


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    programs = str(Path(__file__).with_name("bad_programs"))
    env = {"AIOS_AGENTS_PATH": programs, "AIOS_WORKER__DRIVE_SECONDS": "1.5"}
    with System(tmp_path_factory.mktemp("bad"), fleet=FLEET, env=env) as system:
        yield system


def ended(system, agents):
    results = {}

    def all_ended():
        results.update({name: system.client.result(agent, timeout=0) for name, agent in agents.items()})
        return all(result.ended for result in results.values())

    system.wait(all_ended, seconds=60, what="all agents to end")
    return results


def test_each_bad_program_fails_with_its_own_error_and_the_good_ones_go_on(system):
    agents = {name: system.client.submit(name, "task") for name in EXPECTED}
    agents |= {f"good-{i}": system.client.submit("good", "task") for i in range(8)}
    results = ended(system, agents)
    for name, (kind, text) in EXPECTED.items():
        assert results[name].state == "failed", name
        assert results[name].error["type"] == kind, results[name].error
        assert text in results[name].error["message"], results[name].error
        assert "celery" not in results[name].error["message"], "a stack is told from the program on"
    for i in range(8):
        assert results[f"good-{i}"].value == [True, True]


def test_a_folder_with_a_syntax_error_is_listed_and_spoils_nothing_else(system):
    system.wait(lambda: bool(system.client.programs()), seconds=20, what="the programs to be told")
    rows = {row["name"]: row for row in system.client.programs()}
    assert "SyntaxError" in rows["broken"]["error"]
    assert not rows["good"]["error"]
    with pytest.raises(Exception, match=r"program 'broken' does not load \(SyntaxError: .*\); mend"):
        system.client.submit("broken", "task")
