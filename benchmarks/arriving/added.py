"""What a call took beyond the engine's own time: the journal's instants beside the engine's log.

A call's cycle begins when its request is in the journal and ends when the agent's next request (or its end) is. Of it the
engine had what its own log says, from the start of the generation to the last byte sent. The rest is added by the kernel,
in four parts that follow each other.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path


class Cycle(NamedTuple):
    """A call in the journal; instants in seconds since the epoch, of one machine's clock."""

    syscall: str
    asked: float
    claimed: float
    finished: float
    next_asked: float


class Added(NamedTuple):
    """The parts, in milliseconds.

    Attributes:
        queue_ms: ready set, grant, message and claim.
        connect_ms: the grant's confirmation, and HTTP up to the engine's start.
        finish_ms: from the engine's last byte to the result in the journal.
        resume_ms: bell, message, and the program up to its next request.
        engine_ms: the engine's own, which is not added.
    """

    queue_ms: float
    connect_ms: float
    finish_ms: float
    resume_ms: float
    engine_ms: float

    @property
    def added_ms(self) -> float:
        """All that is not the engine's own."""
        return self.queue_ms + self.connect_ms + self.finish_ms + self.resume_ms


def engine_times(log: Path) -> dict[str, tuple[float, float]]:
    """When the engine began and ended each syscall's (last) generation."""
    begun: dict[str, float] = {}
    times: dict[str, tuple[float, float]] = {}
    for line in log.read_text().splitlines():
        entry = json.loads(line)
        syscall = entry.get("syscall")
        if entry["event"] == "start":
            begun[syscall] = entry["time"]
        elif entry["event"] == "end" and syscall in begun:
            times[syscall] = (begun[syscall], entry["time"])
    return times


def added(cycle: Cycle, engine: tuple[float, float]) -> Added:
    """A cycle's parts."""
    start, end = engine
    return Added(
        queue_ms=1000 * (cycle.claimed - cycle.asked),
        connect_ms=1000 * (start - cycle.claimed),
        finish_ms=1000 * (cycle.finished - end),
        resume_ms=1000 * (cycle.next_asked - cycle.finished),
        engine_ms=1000 * (end - start),
    )


def all_added(cycles: Iterable[Cycle], engine: Mapping[str, tuple[float, float]]) -> list[Added]:
    """All cycles' parts.

    Raises:
        SystemExit: the engine never saw a call that the journal says is done.
    """
    try:
        return [added(cycle, engine[cycle.syscall]) for cycle in cycles]
    except KeyError as error:
        raise SystemExit(f"the engine's log has no syscall {error}: nothing can be said of this run") from error


def quantile(values: Sequence[float], share: float) -> float:
    """The value that so large a share of the values does not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]
