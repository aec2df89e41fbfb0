"""What the benchmark of peers makes of its rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from benchmarks.peers import report
from benchmarks.peers.contenders import File
from benchmarks.peers.environment import FOLDER
from benchmarks.peers.measure import round_ms
from benchmarks.peers.peer import KINDS

LOAD = {"cell": "load", "agents": 50, "workers": 1, "cpu_ms_workers": 1.0, "cpu_ms_postgres": 1.0, "cpu_ms_valkey": 0.0}
SIZE = {"postgres_bytes_per_agent": 4000, "extra_writes": 0}


def load(contender, turn, *, speed, cpu):
    figures = {"operations_per_second": speed, "cpu_ms_per_operation": cpu}
    return {"contender": contender, "pass": turn, **LOAD, **figures, **SIZE}


ROWS = [
    {"contender": "fused", "pass": 1, "cell": "idle", "ms_per_operation": 4.0},
    load("fused", 1, speed=400.0, cpu=3.0),
    load("fused", 2, speed=600.0, cpu=5.0),
    load("celery", 1, speed=500.0, cpu=3.0),
    {"contender": "dbos", "pass": 1, "cell": "missing", "why": "no such package"},
]
TITLES = {"fused": "ours", "celery": "Celery", "dbos": "DBOS"}


def test_figures_are_means_over_the_passes():
    found = report.findings(ROWS, TITLES)
    (cell,) = found["contenders"]["fused"]["load"]
    assert (cell["operations_per_second"], cell["cpu_ms_per_operation"]) == (500.0, 4.0)


def test_who_could_not_be_measured_is_named_with_the_reason():
    made = {table.title: table.rows for table in report.tables(report.findings(ROWS, TITLES))}
    assert made["Not measured"] == [("DBOS", "no such package")]


def test_ahead_is_more_operations_a_second_and_less_cpu_in_the_same_cell():
    assert report.findings(ROWS, TITLES)["ahead"] == [
        {"ours": "fused", "peer": "celery", "agents": 50, "workers": 1, "speed": 1.0, "cpu": 1.33}
    ]


def test_an_operation_alone_is_a_third_of_a_round():
    begun = datetime(2026, 1, 1, tzinfo=UTC)
    assert round_ms([File("a", begun), File("a", begun + timedelta(milliseconds=12))]) == 4.0


def test_each_peer_has_a_short_program_and_its_requirements():
    for kind in KINDS:
        assert (FOLDER / kind.folder / "requirements.txt").is_file(), kind
        assert len((FOLDER / kind.folder / "program.py").read_text().splitlines()) < 120, kind
