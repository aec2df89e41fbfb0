"""Agents that are denied while their worker is killed, and agents that wait for a human beside agents that work."""

from __future__ import annotations

import os
import random
import signal
import statistics
import time
from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from benchmarks.fleet import Fleet

_TRIES = 20
_CALLS = 4
_SECONDS = 240

_LOST_OR_TWICE = """
    WITH denied AS (
        SELECT r.agent_id, count(*) AS n FROM requests r
        WHERE r.settled -> 'error' ->> 'type' = 'AccessDenied' GROUP BY r.agent_id
    ), noted AS (SELECT agent_id, count(*) AS n FROM audit_log WHERE action = 'denied' GROUP BY agent_id)
    SELECT COALESCE(sum(greatest(d.n - COALESCE(a.n, 0), 0)), 0), COALESCE(sum(greatest(COALESCE(a.n, 0) - d.n, 0)), 0),
           COALESCE(sum(d.n), 0)
    FROM denied d LEFT JOIN noted a USING (agent_id)
"""


def denials(fleet: Fleet, *, agents: int, kills: int, seed: int) -> dict[str, object]:
    """Kill the worker that decides at random instants; every denial of the journal must be in the log exactly once."""
    numbers = random.Random(seed)
    fleet.worker("deciding", queues="agent,memory,storage", concurrency=6)
    ids = [fleet.client.submit("reaches", _TRIES) for _ in range(agents)]
    for _ in range(kills):
        time.sleep(numbers.uniform(0.5, 1.5))
        os.kill(fleet.pid("deciding"), signal.SIGKILL)
        fleet.stop("deciding")
        fleet.worker("deciding", queues="agent,memory,storage", concurrency=6)
    values = [fleet.client.result(agent, timeout=_SECONDS).unwrap() for agent in ids]
    with psycopg.connect(fleet.settings.database_url) as connection:
        lost, twice, denied = connection.execute(_LOST_OR_TWICE).fetchone() or (0, 0, 0)
    fleet.stop("deciding")
    return {
        "kills": kills,
        "denials": int(denied),
        "denials_lost": int(lost) + sum(value != _TRIES for value in values),
        "denials_twice": int(twice),
    }


def waiting(fleet: Fleet, *, waiting: int, agents: int) -> dict[str, object]:
    """How much slower agents are that call a model, with so many beside them that wait for a human."""
    fleet.worker("agents", queues="agent,system", concurrency=6)
    fleet.worker("llm", queues="llm", concurrency=4)
    _work(fleet, agents=max(4, agents // 4))  # everything is loaded and warm
    before = _work(fleet, agents=agents)
    ids = [fleet.client.submit("asks", "because") for _ in range(waiting)]
    _until(lambda: len(fleet.client.approvals()) >= waiting)
    beside = [_work(fleet, agents=agents), _work(fleet, agents=agents)]
    for row in fleet.client.approvals():
        fleet.client.deny(str(row["id"]))
    ended = [fleet.client.result(agent, timeout=_SECONDS) for agent in ids]
    after = _work(fleet, agents=agents)
    without = [before, after]
    return {
        "waiting_agents": waiting,
        "resumed": sum(one.state.ended for one in ended),
        "agents_per_second_without": round(statistics.mean(rate for rate, _ in without), 2),
        "agents_per_second_beside": round(statistics.mean(rate for rate, _ in beside), 2),
        "flow_p95_ms_without": round(statistics.mean(p95 for _, p95 in without) * 1000),
        "flow_p95_ms_beside": round(statistics.mean(p95 for _, p95 in beside) * 1000),
        "slowdown_percent": round(
            100 * (statistics.mean(r for r, _ in without) / statistics.mean(r for r, _ in beside) - 1), 1
        ),
    }


def _work(fleet: Fleet, *, agents: int) -> tuple[float, float]:
    """Agents per second, and the 95th percentile of an agent's time from submit to end."""
    began = time.monotonic()
    ids = [fleet.client.submit("calls", _CALLS) for _ in range(agents)]
    for agent in ids:
        fleet.client.result(agent, timeout=_SECONDS).unwrap()
    seconds = time.monotonic() - began
    with psycopg.connect(fleet.settings.database_url) as connection:
        query = """
            SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM finished_at - created_at))
            FROM agents WHERE id = ANY(%s)
        """
        row = connection.execute(query, [ids]).fetchone()
    return agents / seconds, float(row[0]) if row else 0.0


def _until(holds: object) -> None:
    end = time.monotonic() + _SECONDS
    while callable(holds) and not holds():
        if time.monotonic() > end:
            raise TimeoutError("they never came to wait")
        time.sleep(0.1)
