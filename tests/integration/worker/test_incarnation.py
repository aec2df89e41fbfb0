"""What a process owes to the others: nothing it claimed stays behind, whatever it was doing when it fell silent."""

from __future__ import annotations

import time
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import create_engine, text

from aios import program
from aios.db import agents, syscalls, workers
from aios.errors import Ignored
from aios.kernel.ids import new_token
from aios.kernel.ports import Outcome
from tests.integration.worker.world import World


@program(name="writer")
async def writer(agent, task):
    return (await agent.storage.write("a.txt", task)).version


@program(name="parent")
async def parent(agent, task):
    await agent.spawn("writer", task)
    await agent.sleep(3600)


class Written:
    def perform(self, call):
        return Outcome({"path": "/a.txt", "version": 1, "size": 1, "updated_at": ""})

    def cancel(self, syscall):
        pass


@pytest.fixture
def world(database_url, redis_url):
    made = World(
        database_url, redis_url, programs={"writer": writer, "parent": parent}, executors={"storage": Written()}
    )
    yield made
    made.close()


def driven(world):
    """An agent whose one syscall waits to be claimed; gives both."""
    agent = UUID(world.client.submit("writer", "x"))
    world.drive.run(agent)
    with world.database.statement() as tx:
        return agent, tx.execute(text("SELECT id FROM syscalls WHERE agent_id = :id"), {"id": agent}).scalar_one()


def state(world, syscall):
    with world.database.statement() as tx:
        return syscalls.state_of(tx, syscall)


def claim(world, syscall, token, incarnation=None):
    with world.database.statement() as tx:
        return syscalls.claim(tx, syscall, token=token, incarnation=incarnation or world.incarnation.id)


def test_a_claim_whose_reply_was_lost_is_given_back_by_the_next_heartbeat_and_counts_as_no_crash(world):
    _, call = driven(world)
    claim(world, call, new_token())
    world.incarnation.beat()
    assert state(world, call) == "queued"
    with world.database.statement() as tx:
        assert tx.execute(text("SELECT crashes, errors FROM syscalls WHERE id = :id"), {"id": call}).one() == (0, 0)


def test_a_claim_that_is_under_way_is_left_alone(world):
    _, call = driven(world)
    token = new_token()
    with world.incarnation.holding(token):
        claim(world, call, token)
        world.incarnation.beat()
        assert state(world, call) == "running"


@pytest.fixture
def twice(world):
    """A syscall that was given back here, and claimed here again, before the first claim has left: both claims."""
    _, call = driven(world)
    first, second = new_token(), new_token()
    with world.incarnation.holding(first), world.incarnation.holding(second):
        one = claim(world, call, first)
        world.incarnation.hold(one)
        with world.database.statement() as tx:
            syscalls.give_back(tx, one)
        yield one, claim(world, call, second)


def test_what_has_been_claimed_here_again_is_not_stopped_with_its_earlier_claim(world, twice):
    lost, (one, two) = [], twice
    world.incarnation._on_lost = lost.append
    world.incarnation.hold(two)
    world.incarnation.beat()
    assert lost == []
    assert not world.incarnation.valid(one.token)
    assert world.incarnation.valid(two.token)
    world.incarnation.forget(two.token)
    world.incarnation.beat()
    assert lost == [one.id]


@pytest.mark.parametrize("again", [False, True])
def test_a_grant_that_is_gone_stops_the_claim_that_had_it(world, twice, monkeypatch, again):
    lost, (one, two) = [], [replace(call, pool="llm") for call in twice]
    world.incarnation._on_lost = lost.append
    world.incarnation.hold(one)

    def renew(grants, *, lease_seconds):
        if again:  # claimed anew, with the grant that it has since, while Redis answers
            world.incarnation.hold(two)
        return [syscall for _, syscall in grants]

    monkeypatch.setattr(world.incarnation._ready, "renew", renew)
    world.incarnation.renew()
    assert lost == ([] if again else [one.id])


def test_a_drive_that_nobody_does_is_given_back(world):
    agent = UUID(world.client.submit("writer", "x"))
    with world.database.statement() as tx:
        agents.claim(tx, agent, taker=agents.Taker(world.incarnation.id, ["writer"]))
    with world.incarnation.driving(agent):
        world.incarnation.beat()
        assert world.client.get(str(agent))["state"] == "running"
    world.incarnation.beat()
    assert world.client.get(str(agent))["state"] == "queued"


def test_declared_dead_a_process_goes_on_under_a_new_id_and_lets_its_old_claims_be(world):
    _, call = driven(world)
    token, before = new_token(), world.incarnation.id
    with world.incarnation.holding(token):
        world.incarnation.hold(claim(world, call, token))
        assert world.incarnation.valid(token)
        with world.database.transaction() as tx:
            workers.release(tx, before)
        world.incarnation.beat()
        assert world.incarnation.id != before
        assert not world.incarnation.valid(token)


def test_a_process_that_was_silent_for_a_lease_proves_itself_before_it_claims(world):
    before = world.incarnation.id
    with world.database.transaction() as tx:
        workers.release(tx, before)
    world.incarnation._alive_until = time.monotonic() - 1
    assert world.incarnation.silent
    assert world.incarnation.current() != before
    assert not world.incarnation.silent


def test_what_was_claimed_under_an_incarnation_that_has_no_row_any_more_is_taken_back(world):
    agent, call = driven(world)
    claim(world, call, new_token(), incarnation=new_token())
    world.recovery.tick()
    assert state(world, call) == "queued"
    world.run()
    assert world.client.result(str(agent), timeout=0).value == 1


def test_all_that_a_dead_process_held_is_ready_after_one_tick_and_what_others_hold_is_left_alone(world):
    calls = [driven(world)[1] for _ in range(6)]
    for call, incarnation in zip(calls, [new_token()] * 5 + [world.incarnation.id], strict=True):
        claim(world, call, new_token(), incarnation=incarnation)
    world.recorder.bells.clear()
    world.recovery.tick()
    with world.database.statement() as tx:
        found = tx.execute(text("SELECT state, crashes FROM syscalls")).all()
    assert sorted(found) == [("queued", 1)] * 5 + [("running", 0)]
    assert {bell.id for bell in world.recorder.bells} >= {str(call) for call in calls[:5]}


def test_a_dead_process_grants_are_let_go_before_what_they_were_for_may_run_again(world, monkeypatch):
    agent, call = driven(world)
    other = UUID(world.client.submit("writer", "y"))
    claim(world, call, new_token())
    with world.database.transaction() as tx:
        agents.claim(tx, other, taker=agents.Taker(world.incarnation.id, ["writer"]))
        workers.release(tx, world.incarnation.id)
    ring, seen = world.dispatch.ring, {}

    def watched(*, done=(), **given):
        done = [(pool, id_) for pool, id_, *_ in done]
        for pool, id_ in done:  # once it is ready again, somebody may have claimed it, and hold a grant of his own
            seen[id_] = state(world, call) if pool == "storage" else world.client.get(str(other))["state"]
        return ring(done=done, **given)

    monkeypatch.setattr(world.dispatch, "ring", watched)
    world.born()
    assert seen == {str(call): "running", str(other): "running"}
    world.run()
    assert {world.client.result(one, timeout=5).state for one in (str(agent), str(other))} == {"done"}


def test_an_agent_whose_program_is_loaded_elsewhere_is_passed_on_at_once_and_else_is_left(world):
    agent = UUID(world.client.submit("writer", "x"))
    world.recorder.bells.clear()
    program_here = world.programs.pop("writer")
    with pytest.raises(Ignored):
        world.drive.run(agent)
    assert [bell.id for bell in world.recorder.bells] == [str(agent)]  # this incarnation's row still tells of it
    with world.database.transaction() as tx:
        tx.execute(text("UPDATE workers SET programs = '{}'"))
    world.recorder.bells.clear()
    with pytest.raises(Ignored):
        world.drive.run(agent)
    assert world.recorder.bells == []
    world.programs["writer"] = program_here


def test_a_child_that_is_started_while_its_parent_is_cancelled_is_cancelled_too(world, database_url):
    """The cancel waits for the parent's row, which a drive holds that is about to commit the child."""
    import threading

    agent = UUID(world.client.submit("parent", "x"))
    engine = create_engine(database_url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as drive:
        drive.execute(text("SELECT 1 FROM agents WHERE id = :id FOR UPDATE"), {"id": agent})
        cancelling = threading.Thread(target=world.client.cancel, args=(str(agent),))
        cancelling.start()
        waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        while not drive.execute(waiting).scalar():
            time.sleep(0.01)
        drive.execute(
            text(
                """
                INSERT INTO agents (id, root_id, parent_id, program, task, state, priority)
                SELECT gen_random_uuid(), id, id, 'writer', '"x"', 'queued', 5 FROM agents WHERE id = :id
                """
            ),
            {"id": agent},
        )
    cancelling.join()
    engine.dispose()
    assert {row["state"] for row in world.client.list()} == {"cancelled"}


def test_a_connection_that_the_server_closed_costs_no_error(database):
    with database.statement() as one, database.statement() as other:
        assert [tx.execute(text("SELECT 1")).scalar_one() for tx in (one, other)] == [1, 1]
    others = (
        "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
        "AND backend_type = 'client backend'"  # whoever else is there, vacuuming, is not ours to end
    )
    engine = create_engine(
        database.engine.url, isolation_level="AUTOCOMMIT"
    )  # a transaction would look at one snapshot
    with engine.connect() as connection:
        connection.execute(text(f"SELECT pg_terminate_backend(pid) {others}"))
        while connection.execute(text(f"SELECT count(*) {others}")).scalar():
            time.sleep(0.01)
    engine.dispose()
    with database.statement() as one, database.statement() as other:
        assert [tx.execute(text("SELECT 1")).scalar_one() for tx in (one, other)] == [1, 1]


def test_a_process_that_hands_over_counts_no_crash_and_repeats_nothing_that_may_be_done_once(world):
    _, call = driven(world)
    _, once = driven(world)
    with world.database.statement() as tx:
        tx.execute(text("UPDATE syscalls SET effect = 'once' WHERE id = :id"), {"id": once})
    tokens = [new_token(), new_token()]
    for syscall, token in zip((call, once), tokens, strict=True):
        claim(world, syscall, token)
    with world.database.transaction() as tx:
        workers.give_back(tx, world.incarnation.id, tokens=tokens, drives=[], begun=True)
    assert (state(world, call), state(world, once)) == ("queued", "running")
