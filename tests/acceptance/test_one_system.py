"""What one system of real processes bears: a small crowd without a lost wake-up (2,000: `python -m benchmarks.crowd`), an
order that changes while all wait, calls that are cancelled, bad messages, servers that refuse.
"""

from __future__ import annotations

import json
import time
import urllib.request
from random import Random

import pytest
import redis

from tests.acceptance import chaos, errands, faults
from tests.acceptance.bad_messages import BAD
from tests.acceptance.crowd import gather_all


def inside(system) -> int:
    """Calls that the engine generates now."""
    with urllib.request.urlopen(f"{system.engine_url}/script", timeout=5) as answer:
        return int(json.load(answer)["inside"])


def test_agents_that_gather_eight_requests_at_once_all_go_on(system):
    gather_all(system, agents=40, seconds=110)


@pytest.fixture
def steered(system):
    """The system, for a test that changes its engine's script, limits and policy."""
    yield system
    system.script(**json.loads((errands.HERE / "script.json").read_text()))
    system.client.set_limit("llm")
    system.client.reset_policy()


def test_cancelled_calls_leave_the_engine_at_once_and_what_waits_goes_by_the_policy_of_now(steered):
    system = steered
    system.script(rules=[{"contains": "slow", "token_seconds": 0.5}])
    client = system.client
    client.set_limit("llm", slots=3)
    time.sleep(1.5)  # a tick that had read what was before may have set it again, until the next one
    slow = [client.submit("echo", f"slow {n}: one two three four five", tenant="bulk") for n in range(9)]
    system.wait(lambda: inside(system) == 3, seconds=20, what="three slow calls")
    client.set_policy("priority")
    urgent = client.submit("echo", "in a hurry", priority=0)
    time.sleep(0.5)
    begun = time.monotonic()
    assert len(client.cancel_all(tenant="bulk")) == len(slow)
    while inside(system) and time.monotonic() < begun + 10:
        time.sleep(0.01)
    took = time.monotonic() - begun
    print(f"cancelled calls had left the engine after {1000 * took:.0f} ms")
    assert took < 1.5  # a heartbeat takes 2
    assert client.result(urgent, timeout=20).state == "done"
    assert {client.result(agent, timeout=0).state for agent in slow} == {"cancelled"}


def test_whatever_stands_on_a_queue_is_refused_and_counted_and_disturbs_nobody(system):
    before = system.counters()["refused"]
    wave = errands.submit(system, wave="beside", count=12)
    with redis.Redis.from_url(system.services.redis_url) as client:
        for queue, messages in BAD.items():
            for message in messages.values():
                client.lpush(f"aios:q:{queue}", message)
    errands.wait(system, wave, seconds=90)
    errands.check_results(system, wave)
    refusals = sum(map(len, BAD.values()))
    counted = lambda: system.counters()["refused"] - before  # noqa: E731
    system.wait(lambda: counted() >= refusals, seconds=20, what=f"{refusals} refusals to be counted")
    assert counted() == refusals
    assert system.restarts == 0


def test_a_broker_without_memory_and_a_database_that_is_read_only_stop_the_work_and_end_nothing(system):
    tally = chaos.Tally()
    chaos.strike(
        system, [faults.broker_full, faults.database_read_only], random=Random(1), tally=tally, agents=12, sleep=4.0
    )
    assert system.restarts == 0
    assert tally.extra == 0
