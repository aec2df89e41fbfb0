"""What the rows of interrupted generations say, and that a run which was cut goes on behind its last row."""

from __future__ import annotations

import pytest

from benchmarks.simulation.tables import markdown
from benchmarks.switch import findings
from benchmarks.switch_tables import tables
from benchmarks.switching.cost import Gap
from benchmarks.switching.record import Record, Round

EXACT = Round(
    "simulated", 4, "kv", 2, generations=8, identical=8, preempted=3, cut=2, killed_worker=1, tokens=800, generated=880
)
AGAIN = Round("simulated", 1, "rerun", 2, generations=4, identical=3, killed_engine=2, tokens=400, generated=600)
REFILLED = Round("simulated", 4, "inexact", 900, 8, 1, refilled=8, state_tokens=80, state_bytes=800, save_ms=2.5)
GAPS = [
    Gap("simulated", size, 0, pre_empted, gap, 20.0)
    for size, kept, switched in ((64, 30.0, 45.0), (128, 30.0, 45.0), (256, 31.0, 46.0))
    for pre_empted, gap in ((0, kept), (1, switched))
]


@pytest.fixture
def record(tmp_path):
    made = Record.at(tmp_path / "switch.csv", resume=False)
    for one in (EXACT, AGAIN, REFILLED):
        made.add(one)
    return made


def test_a_run_goes_on_behind_its_last_row_or_begins_anew(record):
    known = Record.at(record.path, resume=True)
    assert known.rounds == [EXACT, AGAIN, REFILLED]
    known.add(EXACT)
    assert [one.seed for one in Record.at(record.path, resume=True).of(EXACT.place)] == [2, 2]
    assert Record.at(record.path, resume=False).rounds == []
    assert Record.at(record.path, resume=True).rounds == []


def test_levels_are_summed_apart_and_what_is_inexact_counts_for_no_exactness(record):
    found = findings(record, GAPS)
    assert {key: found[key] for key in ("interruptions", "kills", "generations", "token_identical")} == {
        "interruptions": 8, "kills": 3, "generations": 12, "token_identical": 11,
    }  # fmt: skip
    engine = found["simulated"]
    assert [engine[level]["share_identical"] for level in ("kv", "rerun", "inexact")] == [1.0, 0.75, 0.125]
    assert [engine[level]["share_computed_twice"] for level in ("kv", "rerun")] == [0.1, 0.5]
    assert engine["snapshot"] == {"tokens": 80, "bytes": 800, "bytes_per_token": 10, "save_ms": 2.5}


def test_the_best_slice_is_the_shortest_that_costs_one_per_cent_at_most(record):
    engine = findings(record, GAPS)["simulated"]
    shares = {size: cost["share_pre_empted"] for size, cost in engine["cost_by_slice_tokens"].items()}
    assert shares == {"64": pytest.approx(0.01953), "128": pytest.approx(0.00977), "256": pytest.approx(0.00508)}
    assert engine["best_slice_tokens"] == 128


def test_the_tables_name_what_was_compared(record):
    text = markdown(tables(findings(record, GAPS)))
    assert "| simulated | rerun | 4 | 75.0% | 2 |" in text
    assert "| simulated | 128 (best) | 20.0 | 10.0 | 0.39% | 25.0 | 0.98% |" in text
    assert "| simulated | 80 | 1 | 10 | 2.5 |" in text
