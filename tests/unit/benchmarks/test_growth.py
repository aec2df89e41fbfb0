"""Growth of the real kernel: what is divided by what, and what is said of it."""

from __future__ import annotations

from benchmarks import growth, origin
from benchmarks.growth_tables import page, tables_of


def size(agents, *, wall, cpu):
    return {
        "agents": agents,
        "wall_s": wall * agents / 1000,
        "wall_ms_per_agent": wall,
        "cpu_ms_per_agent": cpu,
        "cpu_ms_per_agent_by_part": {"llm": cpu},
        "syscalls_per_s": 100.0,
        "mean_wait_s": 1.0,
        "p90_wait_s": 2.0,
        "memory_mb": 500.0,
    }


SIZES = [size(250, wall=50.0, cpu=60.0), size(2000, wall=49.0, cpu=71.5), size(250, wall=48.0, cpu=70.0)]
WAITING = [
    {"agents": 200, "bytes": {"agent": 100_000_000, "valkey": 2_000_000}},
    {"agents": 2000, "bytes": {"agent": 118_000_000, "valkey": 20_000_000}},
]


def found():
    run = origin.origin(command="aios bench scale --real", clock="wall")
    return {
        "run": run,
        "profile": "pools",
        "sizes": SIZES,
        "waiting": WAITING,
        **growth.findings(SIZES, WAITING),
    }


def test_most_agents_are_held_against_the_fewest_before_and_after_them():
    assert found()["most_over_fewest"] == {"wall_ms_per_agent": 1.0, "cpu_ms_per_agent": 1.1}


def test_a_waiting_agents_memory_is_the_growth_of_all_parts_over_the_agents_between():
    assert found()["bytes_per_waiting_agent"] == 20_000
    assert found()["bytes_per_waiting_agent_by_part"] == {"agent": 10_000, "valkey": 10_000}


def test_what_falls_short_is_said_on_the_page():
    spoilt = {**found(), "bytes_per_waiting_agent": 50_001}
    assert ("memory per waiting agent", "< 50 KB", "50.0 KB", "NO") in [
        row for table in tables_of(spoilt) for row in table.rows
    ]
    assert "(rows/growth.csv)" in page(spoilt)
