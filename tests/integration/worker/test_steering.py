"""Pause, resume and nice: durable, for an agent and its children, whether anything runs or not."""

from __future__ import annotations

import threading
import time
from uuid import UUID

import pytest

from aios.db import agents, journal
from aios.errors import AgentEnded, InvalidArgument, NotFound
from aios.kernel.ids import new_token
from aios.kernel.plan import ToolInfo
from aios.kernel.ports import Outcome
from aios.kernel.program import program
from aios.kernel.submission import agent_row
from tests.blocking import waiting
from tests.integration.worker.world import World


@program(tools=["calculator"])
async def parent(agent, task):
    child = await agent.spawn("child", "x")
    return [await agent.tool.call("calculator", expression="1"), await agent.wait(child)]


@program(tools=["calculator"])
async def child(agent, task):
    return await agent.tool.call("calculator", expression="2")


class Answers:
    def __init__(self):
        self.order = []

    def perform(self, call):
        self.order.append(call.payload["arguments"]["expression"])
        return Outcome(result=int(call.payload["arguments"]["expression"]))

    def cancel(self, syscall):
        pass


@pytest.fixture
def world(database_url, redis_url):
    made = World(
        database_url,
        redis_url,
        programs={"parent": parent, "child": child},
        executors={"tool": Answers()},
        tools={"calculator": ToolInfo("calculator")},
    )
    yield made
    made.close()


def drive_once(world):
    """Answer the bells that drive agents, and leave those of their syscalls."""
    for bell in [bell for bell in world.recorder.bells if bell.key == "agent"]:
        world.recorder.bells.remove(bell)
        world.answer(bell)


def test_a_paused_agent_and_its_child_start_nothing_until_they_are_resumed(world):
    agent = world.client.submit("parent", "x")
    drive_once(world)
    assert len(world.client.pause(agent)) == 2
    world.run()
    assert world.executors["tool"].order == []
    assert {row["state"] for row in world.client.list()} == {"paused"}
    assert world.client.pause(agent) == []
    assert len(world.client.resume(agent)) == 2
    world.run()
    assert world.client.result(agent, timeout=0).value == [1, 2]
    assert sorted(world.executors["tool"].order) == ["1", "2"]


def test_an_answer_that_comes_while_its_agent_is_paused_is_kept(world):
    agent = world.client.submit("parent", "x")
    drive_once(world)
    drive_once(world)
    (bell,) = [bell for bell in world.recorder.bells if bell.links[0][1] == "call"][:1]
    call = world.execution._claim
    claimed = {}

    def claim_then_pause(*args):
        claimed["call"] = call(*args)
        world.client.pause(agent)
        return claimed["call"]

    object.__setattr__(world.execution, "_claim", claim_then_pause)
    world.recorder.bells.remove(bell)
    world.answer(bell)
    object.__setattr__(world.execution, "_claim", call)
    world.run()
    assert world.executors["tool"].order
    assert world.client.result(agent, timeout=0).state == "paused"
    world.client.resume(agent)
    world.run()
    assert world.client.result(agent, timeout=0).value == [1, 2]


def test_nice_moves_what_waits_and_what_comes(world):
    world.ready.limit({"tool": 0})
    slow, urgent = (world.client.submit("child", name, priority=5) for name in ("slow", "urgent"))
    drive_once(world)
    assert world.client.nice(urgent, 0) == [urgent]
    world.ready.limit({"tool": 1})
    world.dispatch.ring(keys=["tool"])
    (bell,) = [bell for bell in world.recorder.bells if bell.pool == "tool"]
    assert bell.priority == 0
    assert world.client.get(urgent)["priority"] == 0
    assert world.client.get(slow)["priority"] == 5


def test_nice_while_a_drive_is_under_way_goes_for_what_it_starts(world, monkeypatch):
    agent = world.client.submit("parent", "x", priority=5)
    record = journal.record

    def late(*args, **options):
        if world.client.get(agent)["priority"]:
            world.client.nice(agent, 0)
        return record(*args, **options)

    monkeypatch.setattr(journal, "record", late)
    drive_once(world)
    assert {bell.priority for bell in world.recorder.bells} == {0}
    assert {row["program"]: row["priority"] for row in world.client.list()} == {"parent": 0, "child": 0}
    with world.database.statement() as tx:
        assert set(tx.exec_driver_sql("SELECT priority FROM syscalls").scalars()) == {0}


def test_what_cannot_be_steered_is_said(world):
    agent = world.client.submit("child", "x")
    with pytest.raises(InvalidArgument, match="0 \\(most urgent\\) to 9"):
        world.client.nice(agent, 10)
    world.run()
    for steer in (world.client.pause, world.client.resume):
        with pytest.raises(AgentEnded):
            steer(agent)
        with pytest.raises(NotFound):
            steer("00000000-0000-0000-0000-000000000001")


def test_a_paused_tenant_starts_nothing_old_or_new_until_it_is_resumed(world):
    old = world.client.submit("child", "x", tenant="acme")
    other = world.client.submit("child", "x", tenant="other")
    assert world.client.pause_all(tenant="acme") == [old]
    assert world.client.holds() == [("tenant", "acme")]
    new = world.client.submit("child", "x", tenant="acme")
    world.run()
    states = [world.client.result(agent, timeout=0).state for agent in (old, new, other)]
    assert states == ["paused", "paused", "done"]
    assert sorted(world.client.resume_all(tenant="acme")) == sorted([old, new])
    assert world.client.holds() == []
    world.run()
    assert [world.client.result(agent, timeout=0).value for agent in (old, new)] == [2, 2]


def test_a_child_that_a_paused_agents_last_drive_starts_is_paused_too(world):
    agent = world.client.submit("parent", "x")
    (bell,) = world.recorder.bells
    world.recorder.bells.clear()
    progress = world.drive._progress

    def pause_meanwhile(*given):
        world.client.pause(agent)
        return progress(*given)

    object.__setattr__(world.drive, "_progress", pause_meanwhile)
    world.answer(bell)
    object.__setattr__(world.drive, "_progress", progress)
    world.run()
    assert {row["program"]: row["state"] for row in world.client.list()} == {"parent": "paused", "child": "paused"}
    assert len(world.client.resume(agent)) == 2
    world.run()
    assert world.client.result(agent, timeout=0).value == [1, 2]


@pytest.mark.parametrize(
    ("steer", "then"),
    [("pause", {"state": "paused"}), ("resume", {"state": "queued"}), ("nice", {"priority": 0})],
)
def test_a_child_that_is_started_while_its_parent_is_steered_is_steered_too(world, monkeypatch, steer, then):
    agent = world.client.submit("parent", "x")
    (bell,) = world.recorder.bells
    world.recorder.bells.clear()
    record, steered = journal.record, []

    def steer_meanwhile(tx, *given, **more):
        if steer == "resume":
            world.client.pause(agent)
        recorded = record(tx, *given, **more)
        face = {
            "pause": world.client.pause,
            "resume": world.client.resume,
            "nice": lambda one: world.client.nice(one, 0),
        }
        steered.append(waiting(world.client._parts.database, lambda: face[steer](agent)))
        return recorded

    with monkeypatch.context() as patch:
        patch.setattr(journal, "record", steer_meanwhile)
        patch.setattr(world.database, "statement", world.database.transaction)
        world.answer(bell)
    assert len(steered[0].result()) == 2
    (child,) = [row for row in world.client.list() if row["program"] == "child"]
    assert then.items() <= child.items()


@pytest.mark.parametrize(("held", "state"), [(False, "paused"), (True, "queued")])
def test_what_is_submitted_while_its_tenant_is_paused_or_resumed_goes_with_it(world, held, state):
    if held:
        world.client.pause_all(tenant="acme")
    change = world.client.resume_all if held else world.client.pause_all
    with world.database.transaction() as tx:
        row = agent_row("child", "x", priority=5, limits=world.settings.limits) | {"tenant": "acme"}
        agent = str(agents.submit(tx, row, limit=10))
        changed = waiting(world.client._parts.database, lambda: change(tenant="acme"))
    assert changed.result() == [agent]
    assert world.client.get(agent)["state"] == state


def test_a_fork_of_a_paused_tenants_agent_is_paused(world):
    agent = world.client.submit("child", "x", groups=["crew"])
    world.client.pause_all(group="crew")
    fork = world.client.fork(agent, at=0)
    world.run()
    assert world.client.result(fork, timeout=0).state == "paused"
    world.client.resume_all(group="crew")
    world.run()
    assert world.client.result(fork, timeout=0).value == 2


def test_a_group_is_cancelled_as_a_whole(world):
    inside = [world.client.submit("parent", "x", groups=["crew"]) for _ in range(2)]
    outside = world.client.submit("child", "x")
    drive_once(world)
    assert set(inside) <= set(world.client.cancel_all(group="crew"))
    world.run()
    assert {world.client.result(agent, timeout=0).state for agent in inside} == {"cancelled"}
    assert world.client.result(outside, timeout=0).value == 2
    assert world.client.cancel_all(group="crew") == []
    with pytest.raises(InvalidArgument, match="give one of them"):
        world.client.pause_all(tenant="a", group="b")


def test_a_retried_agent_of_a_paused_tenant_waits_until_that_goes_on(world):
    agent = world.client.submit("child", "x", tenant="acme")
    with world.database.transaction() as tx:
        agents.fail(tx, UUID(agent), error=NotFound("what it needed", "x"))
    world.client.pause_all(tenant="acme")
    world.client.retry(agent)
    world.run()
    assert world.client.get(agent)["state"] == "paused"
    world.client.resume_all(tenant="acme")
    world.run()
    assert world.client.get(agent)["state"] == "done"


def test_a_worker_hears_at_once_that_what_it_executes_was_cancelled(world):
    lost, heard = [], threading.Event()
    world.incarnation._on_lost = lambda syscall: (lost.append(syscall), heard.set())
    listening = threading.Thread(target=world.incarnation._listen, daemon=True)
    listening.start()
    agent = world.client.submit("child", "x")
    drive_once(world)
    (bell,) = world.recorder.bells
    call = world.execution._claim(UUID(bell.id), "tool", token := new_token())
    with world.incarnation.holding(token):
        world.incarnation.hold(call)
        time.sleep(0.1)  # until it has subscribed
        begun = time.monotonic()
        world.client.cancel(agent)
        assert heard.wait(2)
        assert time.monotonic() - begun < 0.5
        assert not call.valid()
    assert lost == [call.id]
    world.incarnation._stop.set()
    listening.join()
