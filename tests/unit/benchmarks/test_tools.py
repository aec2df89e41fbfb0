"""What the benchmark of tools reads out of the tools' own notes."""

from __future__ import annotations

import pytest

from benchmarks.tools import LIMITS, Interval, mended, most_at_once, read, used


def test_a_call_that_was_cut_off_ended_with_its_process(tmp_path):
    (tmp_path / "7.log").write_text("stub00 begin 1 10.0\nstub00 end 1 11.0\nstub01 begin 2 10.5\n")
    assert sorted(read(tmp_path, {7: 12.0})) == [
        Interval("stub00", 1, 7, 10.0, 11.0),
        Interval("stub01", 2, 7, 10.5, 12.0),
    ]


def test_what_ends_as_another_begins_is_not_at_once_with_it():
    own = [Interval("a", n, 1, begun, begun + 1.0) for n, begun in enumerate([0.0, 1.0, 1.5])]
    assert most_at_once(own, "a") == 2
    assert most_at_once(own, "b") == 0


def test_full_permits_are_used_whole_and_gaps_are_counted():
    places = [(tool, k) for tool, limit in LIMITS.items() for k in range(limit)]
    full = [Interval(tool, 10 * n + k, 1, float(n), n + 1.0) for tool, k in places for n in range(3)]
    assert used(full) == 1.0
    gaps = [i._replace(begun=i.begun + 0.5 * (i.begun > 0)) for i in full]
    assert used(gaps) == pytest.approx(2 / 3)


def test_what_a_killed_call_ran_is_used_and_until_it_runs_again_its_permit_is_not():
    calm = [Interval(t, 0, 1, 0.0, 4.0) for t in LIMITS]
    assert used(calm) == 1.0
    struck = [run for call in calm for run in (call._replace(ended=2.0), call._replace(pid=2, begun=3.0, ended=7.0))]
    assert used(struck) == pytest.approx(6 / 7)


def test_the_repair_round_mends_what_a_model_gets_wrong_once():
    worth = mended(3, trials=60)
    assert worth["0% wrong"] == {"as called": 1.0, "one repair": 1.0}
    assert worth["20% wrong"]["as called"] < worth["20% wrong"]["one repair"]
