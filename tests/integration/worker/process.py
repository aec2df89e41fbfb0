"""A worker of the pool `tool` in the profile `fused`, in the tests' own process, and an agent for it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from uuid import UUID

from aios.kernel.ports import Outcome
from aios.kernel.program import program
from aios.ready import ReadySets
from aios.worker.fused import Fused


@program(tools=["plain"])
async def calling(agent, task):
    return [(await agent.tool.call("plain", x=n))["x"] for n in range(task)]


class Tool:
    def perform(self, call):
        return Outcome(result=call.payload["arguments"])

    def cancel(self, syscall):
        pass


class Process:
    """A worker of the pool `tool`, and what it did without a message."""

    def __init__(self, world, *, on=True):
        self.world = world
        self.steps = []
        execution = replace(world.execution, drive=world.drive if on else None)
        self._fused = Fused.of(world.dispatch, world.drive, execution, pools=["tool"], on=on)

    def answer(self, bell):
        pool, _, member = bell.links[0]
        execution, drive = self._fused.execution, self._fused.drive
        work = partial(execution.run, pool=pool) if pool != "agent" else drive.run
        self._fused.run(lambda: work(UUID(member)), announced=self._announced)

    @contextmanager
    def _announced(self, bell):
        self.steps.append(bell.links[0][1])
        yield


def begun(world, calls):
    """An agent whose first syscall was rung: its id, and the bell."""
    agent = world.client.submit("calling", calls)
    world.answer(world.recorder.bells.pop())
    (bell,) = world.recorder.bells
    world.recorder.bells.clear()
    return agent, bell


def counted(monkeypatch, module, name):
    """How often a function is called from now on."""
    calls, function = [], getattr(module, name)

    def wrapper(*args, **given):
        calls.append(given)
        return function(*args, **given)

    monkeypatch.setattr(module, name, wrapper)
    return calls


def without(name):
    """A turn that knows nothing of one of its arguments."""
    turn = ReadySets.turn
    return lambda self, **given: turn(self, **{key: value for key, value in given.items() if key != name})
