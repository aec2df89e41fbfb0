"""No lost wake-up, on a small crowd; `python -m benchmarks.crowd` does the same with 2,000 agents."""

from __future__ import annotations

from tests.acceptance.crowd import gather_all


def test_agents_that_gather_eight_requests_at_once_all_go_on(system):
    gather_all(system, agents=100, seconds=110)
