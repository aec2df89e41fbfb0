"""Retries: the class of the error decides."""

from __future__ import annotations

import pytest

from aios.errors import (
    AttemptsSpent,
    BadToolArguments,
    EngineFailed,
    EngineOverloaded,
    EngineUnreachable,
    FinalError,
    OutcomeUnknown,
)
from aios.kernel.retry import Again, Never, decide
from aios.settings import RetrySettings

SETTINGS = RetrySettings(limit=3, base_seconds=1, cap_seconds=10)


def verdict(error, errors=0, random=1.0):
    return decide(error, op="llm.chat", errors=errors, settings=SETTINGS, random=lambda: random)


def test_a_transient_error_backs_off_exponentially_up_to_the_cap():
    assert verdict(EngineFailed("c", ""), errors=0) == Again(1.0)
    assert verdict(EngineFailed("c", ""), errors=1) == Again(2.0)
    capped = decide(EngineFailed("c", ""), op="o", errors=9, settings=RetrySettings(limit=99), random=lambda: 1.0)
    assert capped == Again(30.0)


def test_the_limit_ends_it_and_tells_the_last_error():
    ended = verdict(EngineFailed("c", "broke"), errors=2)
    assert isinstance(ended, Never)
    assert isinstance(ended.error, AttemptsSpent)
    assert "broke" in str(ended.error)


def test_an_overloaded_engine_uses_up_no_attempt():
    again = verdict(EngineOverloaded("c", 5.0), errors=99, random=0.0)
    assert again == Again(5.0, counts=False)


def test_an_engine_that_cannot_be_reached_uses_up_no_attempt_until_the_outage_lasts_too_long():
    away = EngineUnreachable("c", "refused")

    def after(seconds):
        return decide(away, op="o", errors=2, settings=SETTINGS, random=lambda: 0.5, age_seconds=seconds)

    assert after(SETTINGS.outage_seconds - 1) == Again(1.5, counts=False)
    assert isinstance(after(SETTINGS.outage_seconds), Never)


@pytest.mark.parametrize("error", [BadToolArguments("t", []), FinalError("x"), OutcomeUnknown("tool.call")])
def test_a_callers_mistake_and_a_final_error_are_never_retried(error):
    assert verdict(error) == Never(error)
