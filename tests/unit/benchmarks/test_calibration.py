"""Calibration: constants are found again in times that the model itself made, and its error is then none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aios.local.engine.simulated import Timing
from benchmarks import calibration
from benchmarks.calibration import PROMPTS, SEQUENCES, SLOTS, Timed, fitted, predicted, shortened, table
from benchmarks.simulation import workload

TRUE = Timing(slots=SLOTS, prefill_tokens_per_second=800.0, step_ms=9.0, step_per_sequence_ms=2.5)


def test_the_models_own_times_give_its_constants_back():
    prefill = [Timed(n, 0.02 + TRUE.prefill_seconds(n)) for n in PROMPTS]  # a call has a cost of its own
    found = fitted(prefill, [Timed(n, TRUE.step_seconds(n)) for n in SEQUENCES])
    assert found.prefill_tokens_per_second == pytest.approx(800.0)
    assert (found.step_ms, found.step_per_sequence_ms) == pytest.approx((9.0, 2.5))
    assert found.prefill_ms == pytest.approx(20.0 - 11.5)


def test_steps_that_lie_on_no_line_are_told_as_they_were_measured():
    steps = [Timed(1, 0.02), Timed(2, 0.05), Timed(3, 0.05), Timed(4, 0.06)]
    found = fitted([Timed(n, TRUE.prefill_seconds(n)) for n in PROMPTS], steps)
    assert [found.step_seconds(step.of) for step in steps] == pytest.approx([step.seconds for step in steps])
    assert found.step_seconds(8) > 0.06


def test_noise_never_makes_a_constant_negative():
    found = fitted([Timed(16, 0.2), Timed(64, 0.1)], [Timed(1, 0.02), Timed(4, 0.01)])
    assert min(found.step_ms, found.step_per_sequence_ms, found.prefill_tokens_per_second) >= 0


def test_the_batch_is_the_workloads_with_fewer_tokens_and_fits_the_small_models_context():
    agents = shortened(workload.batch(0, agents=16))
    calls = workload.calls_of(agents)
    assert len(agents) == 16
    assert all(0 < call.prompt + call.answer < calibration.CONTEXT for call in calls)
    assert all(call.left == call.answer for call in calls)


def test_a_slower_core_takes_longer_and_the_table_tells_the_error():
    quick, slow = (
        predicted(shortened(workload.batch(0, agents=6)), replace(TRUE, prefill_tokens_per_second=speed, step_ms=ms))
        for speed, ms in ((2000.0, 5.0), (200.0, 50.0))
    )
    assert 0 < quick < slow
    found = {
        "timing": {"prefill_tokens_per_second": 800.0, "prefill_ms": 8.5, "step_ms": 9.0, "step_per_sequence_ms": 2.5},
        "prefill": [],
        "steps": [],
        "batch": {"agents": 6, "slots": 4, "real_s": 10.0, "simulated_s": 9.0, "error": -0.1},
    }
    assert table(found).rows[-1] == ("error of the model", "-10.0%")
