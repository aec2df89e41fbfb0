"""The benchmark of routing: its optimum against brute force, its world against what it says of itself."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aios.kernel.thrift import Thrift
from benchmarks.optimum import Calls, least_cost
from benchmarks.routing import Fixed, RoundRobin, measure
from benchmarks.routing_findings import breaches, findings
from benchmarks.routing_pool import MODELS, Cell, Played, declared, play, queries

CELL = Cell(seed=1, queries=60, slots="scarce", knowledge="told")
WHOLE = st.lists(st.lists(st.integers(1, 9), min_size=2, max_size=2), min_size=4, max_size=4).map(np.array)


@settings(max_examples=25, deadline=None)
@given(WHOLE, WHOLE, st.lists(st.integers(4, 20), min_size=2, max_size=2), st.integers(1, 9))
def test_the_optimum_is_that_of_brute_force_and_split_calls_bound_it(costs, qualities, limits, wanted) -> None:
    calls = Calls(costs, qualities, costs.T[::-1].T, limits)
    found = [
        sum(costs[at] for at in enumerate(chosen))
        for chosen in product(range(2), repeat=4)
        if sum(qualities[at] for at in enumerate(chosen)) >= wanted * 4
        and all(
            sum(calls.seconds[number, core] for number, at in enumerate(chosen) if at == core) <= limits[core]
            for core in range(2)
        )
    ]
    exact = least_cost(calls, wanted, whole=True)
    assert exact == pytest.approx(min(found), abs=1e-6) if found else math.isnan(exact)
    assert not found or least_cost(calls, wanted) <= exact + 1e-6


def busiest(played: Played, stream: list) -> list[int]:
    """How many queries each model had at once, at most."""
    most = []
    for model in range(len(MODELS)):
        times = [(q.at + w, q.at + w + q.seconds[model]) for q, w, m in
                 zip(stream, played.waited_seconds, played.chosen, strict=True) if m == model]  # fmt: skip
        most.append(max((sum(a <= begin < b for a, b in times) for begin, _ in times), default=0))
    return most


@pytest.mark.parametrize("patience", [0.0, 2.0])
def test_no_model_serves_more_at_once_than_it_has_slots_and_every_query_is_served(patience) -> None:
    cell = Cell(seed=1, queries=300, slots="scarce", knowledge="declared")
    stream = queries(cell)
    played = play(cell, stream, Fixed(lambda offer: -offer.quality), patience_seconds=patience)
    assert all(most <= model.slots for most, model in zip(busiest(played, stream), MODELS, strict=True))
    assert busiest(played, stream)[-1] == MODELS[-1].slots, "the best model is full"
    assert min(played.chosen) >= 0
    assert (max(played.waited_seconds) > 0) == (patience > 0)
    assert max(played.waited_seconds) <= patience + 1e-9


def test_where_slots_are_enough_nobody_waits_and_every_query_gets_its_first_choice() -> None:
    cell = Cell(seed=1, queries=120, slots="enough", knowledge="declared")
    played = play(cell, queries(cell), RoundRobin())
    assert played.chosen == [number % len(MODELS) for number in range(120)]


def test_what_is_declared_is_about_what_the_truth_is_on_other_queries() -> None:
    chances = np.array([query.chances for query in queries(Cell(5, 2000, "enough", "told"))])
    assert chances.mean(axis=0) == pytest.approx(declared(), abs=0.03)
    assert list(declared()) == sorted(declared())


def test_one_cell_gives_the_same_figures_again_and_nobody_beats_the_optimum() -> None:
    first, again = measure(CELL), measure(CELL)
    assert [str(row[:-2]) for row in first] == [str(row[:-2]) for row in again], "all but the time of decisions"
    assert breaches(first) == []
    cheated = first[0]._replace(cost=first[0].same / 2)
    assert len(breaches([cheated])) == 1
    assert {row["target"].split(",")[0] for row in findings(first)["targets"][:2]} == {"ours"}


def test_ours_costs_less_than_round_robin_at_round_robins_quality() -> None:
    cell = Cell(seed=3, queries=500, slots="enough", knowledge="declared")
    stream = queries(cell)
    turns, ours = play(cell, stream, RoundRobin()), play(cell, stream, Thrift(sum(declared()) / len(MODELS)))
    cost = [sum(query.costs[m] for query, m in zip(stream, p.chosen, strict=True)) for p in (turns, ours)]
    assert cost[1] < 0.5 * cost[0]
