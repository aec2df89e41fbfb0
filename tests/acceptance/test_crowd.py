"""Real workers under a small crowd: no lost wake-up (`python -m benchmarks.crowd` does the same with 2,000 agents), an order
that changes while all wait, and calls that end when they are cancelled.
"""

from __future__ import annotations

import json
import time
import urllib.request

from tests.acceptance.crowd import gather_all


def inside(system) -> int:
    """Calls that the engine generates now."""
    with urllib.request.urlopen(f"{system.engine_url}/script", timeout=5) as answer:
        return int(json.load(answer)["inside"])


def test_agents_that_gather_eight_requests_at_once_all_go_on(system):
    gather_all(system, agents=100, seconds=110)


def test_cancelled_calls_leave_the_engine_at_once_and_what_waits_goes_by_the_policy_of_now(system):
    system.script(rules=[{"contains": "slow", "token_seconds": 0.5}])
    client = system.client
    client.set_limit("llm", slots=3)
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
    client.set_limit("llm")
    client.reset_policy()
