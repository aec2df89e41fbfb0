"""E2 and E3: what batching and more agents change, in small."""

from __future__ import annotations

import csv
import json

import pytest

from benchmarks import policies, scale
from benchmarks.simulation import growth_tables, tables
from benchmarks.simulation.experiments import Cell, Outcome
from benchmarks.simulation.growth import BATCHED, GROWING, SLOTS, Plan, findings, timed, waits


@pytest.fixture(scope="module")
def outcomes():
    grown = [
        Cell(experiment="growth", strategy=strategy, seed=0, agents=agents, workers=workers)
        for agents in (40, 20, 10)
        for workers in (250, 0)
        for strategy in ("B2", "fifo", "las")
    ]
    batched = [
        Cell(experiment="batching", strategy=strategy, seed=0, agents=20, slots=slots)
        for slots in SLOTS
        for strategy in ("B3", "fifo", "las")
    ]
    return [timed(cell) for cell in (*grown, *batched)]


@pytest.fixture(scope="module")
def found(outcomes):
    return {"run": policies.origin(command="aios bench scale"), **findings(outcomes)}


def test_every_run_passes_e0_and_a_breach_voids_all(outcomes, found):
    assert found["valid"]
    spoilt = [Outcome(outcomes[0].cell, outcomes[0].figures, ["Little's law"]), *outcomes[1:]]
    assert not findings(spoilt)["valid"]


def test_more_slots_serve_the_same_batch_sooner(found):
    totals = {row["slots"]: row["total_s"] for row in found["batching"] if row["strategy"] == "fifo"}
    assert totals[1] > totals[4] > totals[8]


def test_the_engines_own_queue_is_what_others_are_held_against(found):
    mine = [row for row in found["batching"] if row["strategy"] == "B3"]
    assert all(row["b3_total_over_it"]["ratio"] == 1.0 for row in mine)


def test_total_time_grows_in_a_straight_line_and_deciding_has_a_cost(found):
    assert {(row["strategy"], row["at_once"]) for row in found["lines"]} == {
        (strategy, at_once) for strategy in ("B2", "fifo", "las") for at_once in (250, "all")
    }
    assert all(row["r_squared"] > 0.9 for row in found["lines"])
    assert all(row["cpu_us_per_call"] > 0 for row in found["growth"])


def test_a_plan_goes_up_to_ten_thousand_agents_and_tries_by_error_only_where_that_ends():
    cells = Plan.of(quick=False).cells()
    assert max(cell.agents for cell in cells) == 10_000
    assert max(cell.agents for cell in cells if cell.strategy == "B1") == 500
    assert {cell.strategy for cell in cells} == set(BATCHED) | set(GROWING)


def test_rows_waits_findings_and_a_page_are_kept(outcomes, found, tmp_path):
    shown = {"fifo": waits("fifo")}
    assert shown["fifo"] == sorted(shown["fifo"])
    scale.keep(outcomes, found, shown, tmp_path)
    with (tmp_path / "scale.csv").open(newline="") as file:
        assert [Outcome.of_row(row) for row in csv.DictReader(file)] == outcomes
    assert json.loads((tmp_path / "scale.json").read_text()) == json.loads(json.dumps(found))
    assert len((tmp_path / "scale-waits.csv").read_text().splitlines()) == len(shown["fifo"]) + 1
    assert (tmp_path / "scale-total.png").stat().st_size > 1000
    page = tmp_path / "page.md"
    page.write_text("\n".join(["before", *growth_tables.MARKS, "after"]))
    tables.between(page, growth_tables.MARKS, scale._page(found))
    assert "| 8 | las |" in page.read_text()
    assert page.read_text().endswith("after")


def test_a_page_without_marks_is_refused(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("nothing")
    with pytest.raises(LookupError, match="has no marks"):
        tables.between(page, growth_tables.MARKS, "x")
