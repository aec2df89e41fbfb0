"""The crash run: wave after wave of errands, each struck by one fault, each checked in full when it has ended."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tests.acceptance import errands
from tests.acceptance.errands import Errand, check_calls, check_effects, check_results

if TYPE_CHECKING:
    from random import Random

    from tests.acceptance.faults import Fault, Hit
    from tests.acceptance.system import System

AGENTS: Final = 40
BACK_SECONDS: Final = 15.0
"""Time within which 95 of 100 agents must have gone on."""


@dataclass
class Tally:
    """What a run came to."""

    kills: int = 0
    extra: int = 0
    leases: int = 0
    first: list[float] = field(default_factory=list)
    """Seconds from a process being back to the system's first step, per wave."""
    each: list[float] = field(default_factory=list)
    """The same per agent."""


def strike(system: System, fault: Fault, *, random: Random, tally: Tally, agents: int = AGENTS) -> str:
    """One wave and one fault at a random instant; gives one line about it.

    Raises:
        AssertionError: something was lost, doubled, wrong or late.
    """
    name = fault.__name__
    before = time.monotonic()
    wave = errands.submit(system, wave=f"{name.replace('_', '-')}-{tally.kills}-{len(tally.first)}", count=agents)
    system.pause(random.uniform(0.2, 4.0))
    hit = fault(system, random)
    errands.wait(system, wave, seconds=90)
    return _checked(system, name, wave, hit=hit, tally=tally, seconds=time.monotonic() - before)


def _checked(system: System, name: str, wave: list[Errand], *, hit: Hit, tally: Tally, seconds: float) -> str:
    check_results(system, wave)
    check_effects(system, wave)
    extra = check_calls(system, wave, leases=hit.leases)
    waits = errands.progress(system, wave, since=hit.back)
    tally.kills += hit.kills
    tally.extra += extra
    tally.leases += hit.leases
    tally.first += waits[:1]
    tally.each += waits
    went_on = f"first step after {waits[0]:.1f} s, last agent's after {waits[-1]:.1f} s" if waits else "all had ended"
    return (
        f"{name} ({', '.join(hit.victims)}): {len(wave)} agents right in {seconds:.0f} s; {went_on}; "
        f"{extra} calls again of {hit.leases} held"
    )


def check_tally(system: System, tally: Tally) -> dict[str, int]:
    """What must be true of the whole run; a run that provoked neither a stale write nor a lost doorbell proves nothing."""
    counters = system.counters()
    assert counters["fenced"] >= 1, f"void: no stale write was refused {counters}"
    assert counters["rung_again"] >= 1, f"void: no doorbell was lost {counters}"
    late = percentile(tally.each, 95)
    assert late <= BACK_SECONDS, f"95 of 100 agents went on within {late:.1f} s only"
    return counters


def percentile(values: list[float], percent: float) -> float:
    """The smallest value that `percent` of 100 do not exceed; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else 0.0
