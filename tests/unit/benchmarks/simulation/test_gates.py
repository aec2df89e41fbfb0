from __future__ import annotations

import pytest

from benchmarks.simulation.experiments import BASELINES, KERNEL, Cell, run
from benchmarks.simulation.gates import PublishedBatch
from benchmarks.simulation.workload import Agent, Call, timing
from benchmarks.simulation.world import World


def cell(**values):
    return Cell(**{"experiment": "closed", "strategy": "fifo", "seed": 7, "agents": 20} | values)


@pytest.mark.parametrize("strategy", [*BASELINES, *KERNEL])
def test_every_strategy_serves_everybody_and_keeps_the_rules_of_e0(strategy):
    done = run(cell(strategy=strategy))
    assert done.figures["total_s"] > 0
    assert done.breaches == []


@pytest.mark.parametrize("strategy", ["B2", "B3", "B4", *KERNEL])
def test_so_it_does_with_open_arrivals(strategy):
    done = run(cell(experiment="open", strategy=strategy, agents=60))
    assert done.figures["throughput"] > 0
    assert done.breaches == []


def test_a_cells_parameters_alone_decide_what_comes_out():
    assert run(cell(strategy="B1")) == run(cell(strategy="B1"))


def test_the_kernels_first_come_first_served_is_the_engines_own_queue():
    kernel, engine = run(cell(strategy="fifo")).figures, run(cell(strategy="B3")).figures
    assert kernel == pytest.approx(engine)


def test_one_after_the_other_waits_for_nothing_within_an_agent():
    assert run(cell(strategy="B0")).figures["max_wait_s"] == pytest.approx(0.0, abs=1e-6)


def test_a_call_to_the_published_kernel_waits_for_interval_draining_and_the_slowest_of_its_batch():
    agents = [Agent(0, "", "", 5), Agent(1, "", "", 5, arrives=0.5), Agent(2, "", "", 5, arrives=1.2)]
    for agent, tokens in zip(agents, (1, 1000, 1), strict=True):
        agent.calls = [Call(agent, 20, tokens, 0.0, 0.0, left=tokens)]
    on = timing(slots=8)
    World(agents, on, lambda clock, t, answered: PublishedBatch(clock, t, answered=answered), workers=None).run(
        limit_seconds=100
    )
    first, second, third = (agent.ended for agent in agents)
    assert first == second > 1.1 + 1000 * on.step_seconds(1)
    assert third > second + 1.1


def test_preemption_costs_a_switch_each_and_is_counted_as_waste():
    sliced, whole = run(cell(strategy="las")).figures, run(cell(strategy="las_order_only")).figures
    assert sliced["switches"] > 0 == whole["switches"]
    assert sliced["wasted"] * sliced["total_s"] == pytest.approx(0.010 * sliced["switches"], rel=0.05)
