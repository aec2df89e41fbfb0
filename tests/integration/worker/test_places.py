"""A slot is one call's, and a place in the line is its own: whoever is stopped, fenced, given back or rebuilt meanwhile."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from uuid import UUID

import pytest
import redis

from aios.db import recovery, workers
from aios.errors import DatabaseUnavailable, EngineLost, Ignored, Preempted
from aios.kernel.chat import Usage
from aios.kernel.program import program
from tests.integration.worker.test_scheduling import Answers, drive, held_back, released
from tests.integration.worker.world import World


@program
async def asks(agent, task):
    return (await agent.llm.chat(task)).text


class Held(Answers):
    """Each call lasts until its gate is opened."""

    def __init__(self):
        super().__init__()
        self.running, self.gates = [], []

    def perform(self, call):
        gate = threading.Event()
        self.running.append(str(call.id))
        self.gates.append(gate)
        gate.wait(20)
        self.running.remove(str(call.id))
        return super().perform(call)

    def until(self, calls):
        until = time.monotonic() + 10
        while len(self.gates) < calls:
            assert time.monotonic() < until, "it does not begin"
            time.sleep(0.01)


@pytest.fixture
def world(database_url, redis_url):
    made = World(database_url, redis_url, programs={"asks": asks}, executors={"llm": Answers()})
    yield made
    made.close()


@pytest.fixture
def held(world):
    """Calls that last, each on a thread of its own, and one slot."""
    world.executors["llm"] = made = Held()
    held_back(world, "llm")
    threads = []

    def begin(bell):
        def run():
            with suppress(Ignored):
                world.execution.run(UUID(bell.id), pool="llm")

        calls = len(made.gates)
        threads.append(threading.Thread(target=run))
        threads[-1].start()
        made.until(calls + 1)
        return threads[-1]

    made.begin = begin
    yield made
    for gate in made.gates:
        gate.set()
    for thread in threads:
        thread.join(10)


@contextmanager
def renewing(world):
    """Grants are renewed as in a live worker; those of tests last for a blink."""
    stop = threading.Event()

    def renew():
        while not stop.wait(0.01):
            world.incarnation.renew()

    thread = threading.Thread(target=renew)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def rung(world):
    found = [bell for bell in world.recorder.bells if bell.pool == "llm"]
    world.recorder.bells.clear()
    return found


def test_a_fenced_worker_frees_nobody_elses_slot(world, held):
    world.client.submit("asks", "first")
    drive(world)
    released(world, "llm", 1)
    (bell,) = rung(world)
    stopped = held.begin(bell)
    with world.database.transaction() as tx:  # it was stopped for longer than its lease
        workers.release(tx, world.incarnation.id)
    world.born()
    (again,) = rung(world)
    assert again.id == bell.id
    held.begin(again)
    world.incarnation.renew()
    world.client.submit("asks", "second")
    drive(world)
    assert rung(world) == []
    held.gates[0].set()  # it goes on, and its result is refused
    stopped.join(10)
    world.incarnation.renew()
    assert rung(world) == []
    assert world.ready.depth(["llm"])["llm"] == (1, 1)


def test_what_is_claimed_while_the_sets_are_rebuilt_keeps_its_slot(world, held, monkeypatch):
    for number in range(3):
        world.client.submit("asks", f"{number}")
    drive(world)
    released(world, "llm", 1)
    (bell,) = rung(world)
    world.client.set_policy("fifo")
    real = recovery.running

    def running(tx):
        found = real(tx)
        if not held.gates:
            held.begin(bell)  # a worker hears of it just now
        return found

    monkeypatch.setattr(recovery, "running", running)
    with renewing(world):
        world.recovery.tick()
        for _ in range(5):
            time.sleep(0.02)
            world.dispatch.ring(keys=["llm"])
        assert held.running == [bell.id]
        assert [one.id for one in rung(world) if one.id != bell.id] == []


def test_sets_that_another_process_may_fill_by_now_are_not_opened(world, monkeypatch):
    """Postgres ends a transaction that idles, such as the one that holds the lock while a rebuild takes long."""
    world.client.submit("asks", "x")
    world.ready.clear()
    real = recovery.runnable

    def runnable(tx, *, after):
        tx.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = 8101"
        )
        return real(tx, after=after)

    with monkeypatch.context() as patch:
        patch.setattr(recovery, "runnable", runnable)
        with pytest.raises(DatabaseUnavailable):
            world.recovery.tick()
    assert world.ready.epoch() is None
    assert world.recovery.tick()
    assert world.ready.epoch() is not None


@pytest.mark.parametrize("policy", ["fifo", "las", "priority"])
@pytest.mark.parametrize("error", [Preempted("scripted", 3), EngineLost("scripted", "gone")], ids=["slice", "lost"])
def test_what_is_given_back_keeps_its_place_in_the_line(world, policy, error):
    world.client.set_policy(policy)
    held_back(world, "llm")
    old = world.client.submit("asks", "old")
    drive(world)
    call = str(world.client.journal(old)[0]["id"])
    with world.database.transaction() as tx:
        tx.exec_driver_sql("UPDATE syscalls SET queued_at = queued_at - interval '900 s'")
    with redis.Redis.from_url(world.settings.redis_url) as client:
        client.flushall()
    world.recovery.tick()
    for number in range(3):
        world.client.submit("asks", f"{number}")
    drive(world)
    order, answers = [], Answers()

    def perform(claimed):
        order.append(str(claimed.id))
        if len(order) == 1:
            raise error
        return answers.perform(claimed)

    world.executors["llm"].perform = perform
    world.client.set_limit("llm", slots=1)
    world.run()
    assert order[:2] == [call, call]
    assert len(order) == 5


def test_a_call_that_failed_does_not_lift_the_limit_of_tokens(world):
    """It used none, which says nothing of what its like will use."""
    answers, errors = Answers(), [EngineLost("scripted", "gone")]

    def perform(call):
        if errors:
            raise errors.pop()
        return replace(answers.perform(call), usage=Usage(50, 200))

    world.executors["llm"].perform = perform
    world.client.set_limit("llm", slots=100, tokens=1000)
    world.recovery.tick()
    world.client.submit("asks", "word")
    world.run()
    for _ in range(40):
        world.client.submit("asks", "word")
    drive(world)
    assert 1 <= len(rung(world)) <= 4
