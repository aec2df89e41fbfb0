"""The crash run: wave after wave of errands, each struck by one fault, each checked in full when it has ended."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tests.acceptance import errands, faults
from tests.acceptance.errands import check_calls, check_effects, check_results

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from tests.acceptance.faults import Fault, Hit
    from tests.acceptance.system import System

AGENTS: Final = 40
BACK_SECONDS: Final = 15.0
"""Time within which 95 of 100 agents must have gone on."""
PROVOKED_BY: Final = {"fenced": faults.tool_frozen, "rung_again": faults.all_workers_killed}
"""What makes a stale write, and what loses a doorbell."""


@dataclass
class Tally:
    """What a run came to."""

    waves: int = 0
    kills: int = 0
    extra: int = 0
    leases: int = 0
    first: list[float] = field(default_factory=list)
    """Seconds from a process being back to the system's first step, per wave."""
    each: list[float] = field(default_factory=list)
    """The same per agent."""

    def add(self, hits: Sequence[Hit], *, extra: int, leases: int, waits: list[float]) -> None:
        """Count one wave."""
        self.kills += sum(hit.kills for hit in hits)
        self.extra += extra
        self.leases += leases
        self.first += waits[:1]
        self.each += waits


def strike(
    system: System, struck: Sequence[Fault], *, random: Random, tally: Tally, agents: int = AGENTS, sleep: float = 1.0
) -> str:
    """One wave, and faults at random instants; gives one line about it.

    Raises:
        AssertionError: something was lost, doubled, wrong or late.
    """
    names = ", ".join(fault.__name__ for fault in struck)
    try:
        return _strike(system, struck, random=random, tally=tally, agents=agents, sleep=sleep)
    except AssertionError as error:
        raise AssertionError(f"{names}: {error}") from error


def _strike(system: System, struck: Sequence[Fault], *, random: Random, tally: Tally, agents: int, sleep: float) -> str:
    before = time.monotonic()
    tally.waves += 1
    wave = errands.submit(system, wave=f"wave-{tally.waves}", count=agents, sleep=sleep)
    hits = [_hit(system, fault, random=random) for fault in struck]
    errands.wait(system, wave, seconds=90)
    check_results(system, wave)
    check_effects(system, wave)
    leases = sum(hit.leases for hit in hits)
    extra = check_calls(system, wave, leases=leases)
    waits = errands.progress(system, wave, since=hits[-1].back)
    tally.add(hits, extra=extra, leases=leases, waits=waits)
    went_on = f"went on after {waits[0]:.1f} s, the last agent after {waits[-1]:.1f} s" if waits else "all had ended"
    names = ", ".join(f"{fault.__name__} ({' '.join(hit.victims)})" for fault, hit in zip(struck, hits, strict=True))
    seconds = time.monotonic() - before
    return f"{names}: {agents} agents right in {seconds:.0f} s; {went_on}; {extra} calls again of {leases} held"


def _hit(system: System, fault: Fault, *, random: Random) -> Hit:
    system.pause(random.uniform(0.2, system.longest_pause))
    return fault(system, random)


def provoke(system: System, counters: Sequence[str], *, random: Random, tally: Tally, agents: int = AGENTS) -> None:
    """See to it that each of these counters has moved: on a fast machine a fault may come when the work is done."""
    for counter in counters:
        for _ in range(3):
            if system.counters()[counter]:
                break
            print(strike(system, (PROVOKED_BY[counter],), random=random, tally=tally, agents=agents))


def check_tally(system: System, tally: Tally, moved: Sequence[str] = tuple(PROVOKED_BY)) -> dict[str, int]:
    """What must be true of the whole run; one in which no write was stale (`fenced`) or no doorbell lost proves nothing."""
    counters = system.counters()
    still = [counter for counter in moved if not counters[counter]]
    assert not still, f"void: {' and '.join(still)} did not move: {counters}"
    late = percentile(tally.each, 95)
    assert late <= BACK_SECONDS, f"95 of 100 agents went on within {late:.1f} s only"
    return counters


def percentile(values: list[float], percent: float) -> float:
    """The smallest value that `percent` of 100 do not exceed; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else 0.0
