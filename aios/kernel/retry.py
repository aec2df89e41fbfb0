"""What happens to a syscall that raised an error: again, later, or never. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aios.errors import (
    AiosError,
    AttemptsSpent,
    EngineLost,
    EngineOverloaded,
    EngineUnreachable,
    Preempted,
    ToolBusy,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from aios.settings import RetrySettings


_OUTAGE_PAUSE_SECONDS = 1.0


@dataclass(frozen=True)
class Again:
    """Ready again after `delay_seconds`; `counts` says whether the error uses up one of the allowed ones."""

    delay_seconds: float
    counts: bool = True


@dataclass(frozen=True)
class Never:
    """The syscall fails with this error."""

    error: AiosError


def decide(
    error: AiosError,
    *,
    op: str,
    errors: int,
    settings: RetrySettings,
    random: Callable[[], float],
    age_seconds: float = 0.0,
) -> Again | Never:
    """Exponential backoff with full jitter for transient errors; a 429 waits as told and counts nowhere.

    An engine that is being restarted must cost no agent its life: calls that never reached it count nowhere either,
    until the outage itself has lasted too long.

    Args:
        error: what the syscall raised.
        op: `pool.op`, for the message.
        errors: transient errors of this syscall before this one.
        settings: limit, base and cap.
        random: a number in [0, 1).
        age_seconds: since the syscall was issued.

    Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015 (full jitter).
    """
    if isinstance(error, EngineOverloaded | ToolBusy):
        wait = float(error.args[-1])
        return Again(wait * (1 + random() / 4), counts=False)
    lost = isinstance(error, EngineLost) and age_seconds < settings.outage_seconds
    if lost or isinstance(error, Preempted):
        return Again(0.0, counts=False)
    if not error.retried:
        return Never(error)
    if isinstance(error, EngineUnreachable) and age_seconds < settings.outage_seconds:
        return Again(_OUTAGE_PAUSE_SECONDS * (1 + random()), counts=False)
    if errors + 1 >= settings.limit:
        return Never(AttemptsSpent(op, errors + 1, str(error)))
    return Again(random() * min(settings.cap_seconds, settings.base_seconds * 2**errors))
