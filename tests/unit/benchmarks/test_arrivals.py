"""Open arrivals: the load that is asked for, and what of a call is the kernel's and what the engine's."""

from __future__ import annotations

import csv
import json
from itertools import pairwise
from statistics import fmean

import pytest

from benchmarks import arrivals, origin
from benchmarks.arriving import report
from benchmarks.arriving.added import Added, Cycle, added, all_added, engine_times, quantile
from benchmarks.arriving.kernel import Segment
from benchmarks.arriving.load import CALLS, IN_FLIGHT, Load
from benchmarks.arriving.rivals import published_fifo
from benchmarks.simulation import tables

LOAD = Load.of(140.0, measured_seconds=60.0)


def test_half_of_the_throughput_arrives_and_the_engine_takes_what_keeps_250_in_flight():
    assert LOAD.calls_per_second == 70.0
    assert LOAD.calls_per_second * LOAD.engine_seconds == pytest.approx(IN_FLIGHT)


def test_arrivals_have_the_rate_and_the_variance_of_poissons():
    times = LOAD.arrivals(0)
    gaps = [after - before for before, after in pairwise(times)]
    assert len(times) == pytest.approx(LOAD.seconds * 70 / CALLS, rel=0.1)
    assert fmean(gap**2 for gap in gaps) == pytest.approx(2 * fmean(gaps) ** 2, rel=0.2)
    assert times == LOAD.arrivals(0) != LOAD.arrivals(1)


def test_a_calls_parts_and_the_engines_own_are_its_whole_cycle():
    parts = added(Cycle("s", asked=10.0, claimed=10.004, finished=12.014, next_asked=12.017), (10.005, 12.008))
    assert parts == pytest.approx((4.0, 1.0, 6.0, 3.0, 2003.0))
    assert parts.added_ms + parts.engine_ms == pytest.approx(2017.0)


def test_of_a_call_made_again_the_engines_log_gives_the_last_generation(tmp_path):
    lines = [("start", 1.0), ("end", 2.0), ("start", 5.0), ("end", 7.0)]
    log = tmp_path / "engine.jsonl"
    log.write_text("".join(json.dumps({"event": e, "time": t, "syscall": "s"}) + "\n" for e, t in lines))
    assert engine_times(log) == {"s": (5.0, 7.0)}


def test_a_call_that_the_engine_never_saw_voids_the_run():
    with pytest.raises(SystemExit, match="nothing can be said"):
        all_added([Cycle("unseen", 0.0, 1.0, 2.0, 3.0)], {})


def test_the_published_fifo_lets_a_call_wait_for_draining_at_least_and_for_its_batch():
    waits = published_fifo(Load(20.0, 2.0, 20.0), seed=0)
    assert len(waits) == pytest.approx(400, rel=0.3)
    assert min(waits) >= 99
    assert quantile(waits, 0.5) > 1000


def test_rows_findings_and_tables_are_kept(tmp_path):
    calls = [*[Added(3.0, 1.0, 4.0, 2.0, 2000.0)] * 9, Added(5.0, 1.0, 4.0, 60.0, 2000.0)]
    segments = [Segment(calls, in_flight=249.0, late_ms=0.2, cpu_ms_per_call={"llm": 4.0}, busy=0.5)] * 2
    bare = [[2.0, 3.0], [2.0, 3.0]]
    found = {
        "run": origin.origin(command="aios bench arrivals", clock="wall"),
        "profile": "pools",
        "llm_syscalls_per_second": 140.0,
        "load": {"calls_per_second": 70.0, "engine_seconds": 3.57, "measured_seconds": 60.0},
        **report.findings(segments, bare, [1000.0, 2000.0]),
    }
    arrivals.keep(found, report.rows(segments, bare), tmp_path)
    with (tmp_path / "arrivals-pools.csv").open(newline="") as file:
        kept = [float(row["added_ms"]) for row in csv.DictReader(file) if row["who"] == "kernel"]
    assert quantile(kept, 0.99) == found["kernel"]["p99_ms"] == 70.0
    rows = {row[0]: row for table in report.tables_of(found) for row in table.rows}
    assert rows["met"] == ("met", "", "yes", "", "NO")
    page = tmp_path / "page.md"
    page.write_text("\n".join(report.marks("pools")))
    tables.between(page, report.marks("pools"), report.page(found))
    assert "[arrivals-pools.csv](rows/arrivals-pools.csv)" in page.read_text()
