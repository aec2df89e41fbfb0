"""Random programs, cut at random places and answered in random order, end like the uninterrupted run."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from aios.errors import AiosError, EngineFailed
from aios.kernel.agent import Agent
from aios.kernel.ids import new_id
from aios.kernel.plan import Call
from aios.kernel.replay import Entry, Returned, Run
from aios.kernel.words import Pool
from tests.trees import trees, walk


class World:
    """Answers requests; what it answers depends on the request alone."""

    def __init__(self, tree, seed):
        self.tree, self.numbers = tree, random.Random(seed)
        self.journal: dict[str, Entry] = {}
        self.issued: list[tuple[str, str]] = []

    def issue(self, request):
        if request.local is not None:
            return 0.5
        if request.op == "spawn":
            return f"child-{request.args['task']}"
        return (Call(Pool.TOOL, request.op, request.args),)

    def start(self):
        return Run(walk(Agent(id=new_id()), self.tree), self.issue)

    def record(self, issued):
        for item in issued:
            self.issued.append((item.seq, item.request.label))
            self.journal[item.seq] = item.entry or Entry(item.digest, item.request.label, open=True)

    def answer(self, seq):
        entry = self.journal[seq]
        number = int("".join(c for c in entry.label if c.isdigit()) or 1)
        error: AiosError | None = (
            EngineFailed(f"n{number}", "") if "tool.call" in entry.label and number % 5 == 0 else None
        )
        self.journal[seq] = Entry(entry.digest, entry.label, results=[] if error else [number], error=error)

    def open(self):
        return [seq for seq, entry in self.journal.items() if entry.open]


def uninterrupted(tree):
    world = World(tree, 0)
    run = world.start()
    while True:
        world.record(run.advance(dict(world.journal)))
        if run.outcome is not None:
            return world, run.outcome
        for seq in world.open():
            world.answer(seq)


@settings(max_examples=300, deadline=None)
@given(tree=trees, seed=st.integers(0, 2**32))
def test_random_programs_cut_at_random_places_end_like_the_uninterrupted_run(tree, seed):
    expected, outcome = uninterrupted(tree)
    world = World(tree, seed)
    run, cuts = world.start(), 0
    while True:
        issued = run.advance(dict(world.journal))
        if world.numbers.random() < 0.3 and cuts < 60:  # the worker dies before its commit: nothing was written
            run, cuts = world.start(), cuts + 1
            continue
        world.record(issued)
        if run.outcome is not None:
            break
        waiting = world.open()
        for seq in world.numbers.sample(waiting, world.numbers.randint(1, len(waiting))):
            world.answer(seq)
        if world.numbers.random() < 0.5:  # it dies after its commit, or the coroutine is dropped
            run.evict()
            run = world.start()
    assert described(run.outcome) == described(outcome)
    assert sorted(world.issued) == sorted(expected.issued), "a request was asked twice, or another one"
    assert {seq: described(entry) for seq, entry in world.journal.items()} == {
        seq: described(entry) for seq, entry in expected.journal.items()
    }


def described(thing):
    if isinstance(thing, Entry):
        return (thing.label, thing.open, thing.results, thing.error and thing.error.args)
    if isinstance(thing, Returned):
        return thing.value
    return type(thing.error).__name__, thing.error.args[0]
