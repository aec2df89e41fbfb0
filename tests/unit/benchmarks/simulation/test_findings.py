from __future__ import annotations

import json

import pytest

from benchmarks import policies
from benchmarks.simulation import tables
from benchmarks.simulation.experiments import KERNEL, Outcome, run_all
from benchmarks.simulation.findings import HEADLINES, findings
from benchmarks.simulation.intervals import ratio
from benchmarks.simulation.plan import Plan


@pytest.fixture(scope="module")
def outcomes():
    plan = Plan(open_seeds=2, open_agents=30, frontier_seeds=1, closed_seeds=1, split=False)
    return run_all([cell for cell in plan.cells() if needed(cell)], jobs=1)


def needed(cell):
    """Few enough for a unit test."""
    few = {"closed": {"B2", "B3", "fifo"}, "open": set(KERNEL), "trial": {"B1"}, "frontier": {"las"}}
    return cell.strategy in few[cell.experiment] and (cell.failed_load_ms or 2) == 2 and (cell.ageing or 0.1) == 0.1


@pytest.fixture(scope="module")
def found(outcomes):
    return {"run": policies.origin(command="x"), **findings(outcomes)}


def test_every_policy_has_the_headlines_and_their_ratios_with_intervals(found):
    assert {"fifo", "priority", "rr", "las", "fair"} <= set(found["policies"])
    for row in found["policies"].values():
        for name in HEADLINES:
            low, high = row["ratio_to_fifo"][name]["interval_95"]
            assert low <= row["ratio_to_fifo"][name]["ratio"] <= high
            assert row[name] >= 0
    assert found["policies"]["fifo"]["ratio_to_fifo"]["mean_flow_s"] == {"ratio": 1.0, "interval_95": [1.0, 1.0]}


def test_a_run_that_breaks_a_rule_voids_all(outcomes):
    assert findings(outcomes)["valid"]
    first = outcomes[0]
    spoilt = [Outcome(first.cell, first.figures, ["Little's law"]), *outcomes[1:]]
    assert not findings(spoilt)["valid"]
    assert findings(spoilt)["breaches"][0]["breaches"] == ["Little's law"]


def test_a_run_that_was_given_up_is_told_and_not_averaged(outcomes):
    spoilt = [Outcome(o.cell, {}, []) if o.cell.experiment == "trial" else o for o in outcomes]
    assert all(row["gave_up"] == row["seeds"] for row in findings(spoilt)["trial_curve"])


def test_rows_findings_and_tables_are_kept(outcomes, found, tmp_path):
    policies.keep(outcomes, found, tmp_path)
    assert len((tmp_path / "policies.csv").read_text().splitlines()) == len(outcomes) + 1
    assert json.loads((tmp_path / "policies.json").read_text()) == json.loads(json.dumps(found))
    origin, again = policies.kept(tmp_path)
    assert again == outcomes
    assert origin == json.loads(json.dumps(found["run"]))
    page = tmp_path / "page.md"
    page.write_text(f"before\n{tables.BEGIN}\nold\n{tables.END}\nafter\n")
    tables.write_markdown(found, page)
    tables.write_markdown(found, page)
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert text.count("### Targets") == 1


def test_equal_pairs_have_a_ratio_without_doubt():
    assert ratio([2.0, 4.0, 6.0], [1.0, 2.0, 3.0]) == (2.0, 2.0, 2.0)


def test_an_interval_holds_its_ratio():
    found = ratio([1.0, 5.0, 2.0, 8.0], [2.0, 2.0, 2.0, 2.0])
    assert found.low < found.value == 2.0 < found.high
