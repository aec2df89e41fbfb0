"""Random programs on a real Postgres whose worker dies at random commits end like undisturbed ones, each effect once."""

from __future__ import annotations

from contextlib import contextmanager
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from aios.errors import EngineFailed, FinalError
from aios.kernel.plan import ToolInfo
from aios.kernel.ports import Outcome
from aios.kernel.program import program
from aios.kernel.words import SyscallState
from aios.worker import claiming
from tests.integration.worker.world import World
from tests.trees import trees, walk


class Answers:
    """Answers a tool call by its expression, and counts the effect that each syscall committed."""

    def perform(self, call):
        number = int(call.payload["arguments"]["expression"])
        if number % 5 == 0 and number:
            raise FailedFor(f"n{number}", "")
        return Outcome(effect=lambda tx: self.effect(tx, call, number))

    def effect(self, tx, call, number):
        tx.exec_driver_sql("INSERT INTO effects VALUES (%s, %s)", (call.agent_id, str(call.request_id)))
        return number

    def cancel(self, syscall):
        pass


class FailedFor(FinalError, EngineFailed):
    """Caught by the programs as an engine's failure, but never retried."""

    retried = False


@program(tools=["calculator"])
async def from_json(agent, task):
    return await walk(agent, as_tuples(task))


def as_tuples(node):
    kind, *rest = node
    if kind in ("seq", "gather"):
        return (kind, [as_tuples(part) for part in rest[0]])
    return (kind, as_tuples(rest[0])) if kind == "try" else tuple(node)


def as_json(node):
    kind, *rest = node
    if kind in ("seq", "gather"):
        return [kind, [as_json(part) for part in rest[0]]]
    return [kind, as_json(rest[0])] if kind == "try" else list(node)


@program(tools=["calculator"], name="leaf")
async def declared_leaf(agent, task):
    return await agent.tool.call("calculator", expression=str(task))


PROGRAMS = {"tree": from_json, "leaf": declared_leaf}
TOOLS = {"calculator": ToolInfo("calculator")}


def without_randoms(value):
    if isinstance(value, list):
        return [without_randoms(part) for part in value]
    return "random" if isinstance(value, float) else value


@contextmanager
def world(database_url, redis_url, **options):
    """One AIOS whose tools count their effects in a table."""
    made = World(database_url, redis_url, programs=PROGRAMS, executors={"tool": Answers()}, tools=TOOLS, **options)
    try:
        with made.database.transaction() as tx:
            tx.exec_driver_sql("CREATE TABLE IF NOT EXISTS effects (agent uuid, request text)")
        yield made
    finally:
        made.close()


@pytest.fixture(autouse=True)
def half_of_all_is_light(monkeypatch):
    """So that the profile `fused` shows all ways: claimed with the drive that asks, without a grant or with one, and rung."""
    coin = Random(20261122)
    monkeypatch.setattr(
        claiming, "is_light", lambda plan: plan[:1] and plan[0].state is SyscallState.QUEUED and coin.random() < 0.5
    )


@settings(
    max_examples=5,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(tree=trees, seed=st.integers(0, 2**32))
@pytest.mark.parametrize("fused", [False, True])
def test_a_worker_that_dies_at_random_commits_changes_no_result_and_doubles_no_effect(
    database_url, redis_url, tree, seed, fused
):
    with world(database_url, redis_url) as calm:
        expected = finish(calm, tree)
    with world(database_url, redis_url, seed=seed, crash=0.12, fused=fused) as stormy:
        assert finish(stormy, tree) == expected


def finish(world, tree):
    agent = world.client.submit("tree", as_json(tree))
    for _ in range(200):
        world.run()
        result = world.client.result(agent, timeout=0)
        if result.ended:
            break
        with world.database.transaction() as tx:  # sleeps are over at once
            tx.exec_driver_sql(
                "UPDATE syscalls SET not_before = clock_timestamp() WHERE op = 'sleep' AND state = 'waiting'"
            )
    with world.database.transaction() as tx:
        doubled = tx.exec_driver_sql("SELECT count(*) - count(DISTINCT request) FROM effects").scalar()
        journal = tx.exec_driver_sql(
            "SELECT seq, label FROM requests WHERE agent_id = %s ORDER BY seq", (agent,)
        ).fetchall()
    assert doubled == 0
    kept = [(seq, label.split(" {")[0]) for seq, label in journal]
    return result.state, without_randoms(result.value), result.error and result.error["type"], kept
