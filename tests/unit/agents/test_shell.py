"""The shell: what a model answers is shown, asked about, and done; what is no plan is never done."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios.errors import AiosError, VersionConflict
from aios.kernel.agent import Agent
from aios.kernel.ids import new_id
from aios.kernel.plan import Planner
from aios.kernel.replay import Entry, Raised, Returned, Run
from aios.sdk import loader
from aios.settings import Settings

AGENT = new_id()
HOME = f"/agents/{AGENT}/"
FILE = {"path": "", "version": 3, "size": 4, "updated_at": "", "media_type": "text/plain"}
STORED = {"path": "x", "version": 4, "size": 4, "updated_at": ""}


class Disk:
    """Answers the shell's requests: one command, one answer of the model, one answer of a person."""

    def __init__(self, plan, *, yes="yes", error=None):
        self.plan, self.yes, self.error = plan, yes, error
        self.reports = []
        self.done = []

    def __call__(self, request):
        if request.resource == "agent":
            self.reports.append(request.args["question"])
            if request.args["choices"]:
                return self.yes
            return "do it" if len(self.reports) == 1 else "exit"
        if request.resource == "llm":
            assert "todo.txt" in request.args["prompt"]
            message = {"role": "assistant", "content": self.plan}
            return {"finish_reason": "stop", "message": message}
        if not self.done:
            self.done.append("list")
            return [{**FILE, "path": f"{HOME}todo.txt"}]
        self.done.append(f"{request.op} {json.dumps(request.args)}")
        if self.error:
            raise self.error
        return {"read": {"content": "milk"}, "move": [STORED], "rollback": {**STORED, "restored": 2}}.get(
            request.op, STORED
        )


class Shell:
    """The shell, driven from its first line at each step, its requests answered by a script."""

    def __init__(self, script):
        self.program = loader.programs(loader.load(Settings()))["shell"]
        self._script = script
        self._journal: dict[str, Entry] = {}

    def run(self, task):
        agent = Agent(id=AGENT, tools=self.program.tools)
        while True:
            run = Run(self.program.start(agent, task), self._plan)
            issued = run.advance(dict(self._journal))
            if isinstance(run.outcome, Returned):
                return run.outcome.value
            if isinstance(run.outcome, Raised):
                raise run.outcome.error
            run.evict()
            for item in issued:
                self._journal[item.seq] = self._entry(item)

    def _plan(self, request):
        return Planner(tools={}, program=self.program.name, declared=self.program.tools).plan(request)

    def _entry(self, item):
        try:
            return Entry(item.digest, item.request.label, results=[self._script(item.request)])
        except AiosError as error:
            return Entry(item.digest, item.request.label, error=error)


def steps(*made):
    return json.dumps({"steps": list(made)})


def test_what_changes_nothing_is_done_at_once():
    disk = Disk(steps({"op": "read", "path": "todo.txt"}))
    Shell(disk).run({})
    assert disk.done[1:] == ['read {"path": "todo.txt", "version": null, "length": 20000}']
    assert disk.reports[-1].endswith("1. milk")


@pytest.mark.parametrize(
    "step",
    [
        {"op": "delete", "path": "todo.txt"},
        {"op": "write", "path": "todo.txt", "content": "x"},
        {"op": "append", "path": "todo.txt", "content": "x"},
        {"op": "move", "source": "todo.txt", "target": "b"},
        {"op": "rollback", "path": "todo.txt", "versions": 1},
    ],
)
@pytest.mark.parametrize("answer", ["no", "yes"])
def test_what_changes_a_file_is_asked_about_with_the_whole_plan(step, answer):
    disk = Disk(steps({"op": "read", "path": "todo.txt"}, step), yes=answer)
    Shell(disk).run({})
    assert "Do it?" in disk.reports[1]
    assert f"2. {step['op']}" in disk.reports[1]
    if answer == "no":
        assert disk.done == ["list"]
        assert disk.reports[-1].startswith("Nothing was done of")
    else:
        assert disk.done[2].startswith(step["op"])


@pytest.mark.parametrize("op", ["delete", "write", "append", "rollback"])
@pytest.mark.parametrize("absolute", [False, True])
def test_a_yes_is_about_the_version_that_was_there_then(op, absolute):
    more = {"write": {"content": "x"}, "append": {"content": "x"}, "rollback": {"versions": 1}}.get(op, {})
    path = f"{HOME}todo.txt" if absolute else "todo.txt"
    disk = Disk(steps({"op": op, "path": path, **more}), error=VersionConflict("todo.txt", 3, 4))
    Shell(disk).run({})
    assert '"expect": 3' in disk.done[1]
    assert "failed: 'todo.txt' is at version 4" in disk.reports[-1]


def test_a_step_finds_the_version_that_the_step_before_it_made():
    change = {"path": "todo.txt", "content": "x"}
    disk = Disk(steps({"op": "write", **change}, {"op": "append", **change}, {"op": "delete", "path": "todo.txt"}))
    Shell(disk).run({})
    assert [json.loads(done.partition(" ")[2])["expect"] for done in disk.done[1:]] == [3, 4, 4]


def test_after_a_step_that_fails_the_others_are_not_done():
    two = [{"op": "read", "path": "a"}, {"op": "read", "path": "b"}]
    disk = Disk(steps(*two), error=VersionConflict("a", 1, 2))
    Shell(disk).run({})
    assert len(disk.done) == 2
    assert "the 1 steps behind it were not done" in disk.reports[-1]


GARBAGE = st.text(max_size=40) | st.builds(
    lambda op, path: json.dumps({"steps": [{"op": op, "path": path, "force": True}]}),
    st.sampled_from(["delete", "write", "rm"]),
    st.sampled_from(["todo.txt", "*", "/", ""]),
)


@settings(max_examples=20, deadline=None)
@given(GARBAGE)
def test_an_answer_that_is_no_plan_never_becomes_an_operation(answer):
    disk = Disk(answer)
    Shell(disk).run({})
    assert disk.done == ["list"]
    assert "nothing was done" in disk.reports[-1]
