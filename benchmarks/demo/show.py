"""The play: a cast is submitted and shown, a worker is killed, and all must be done in the end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from aios.errors import FinalError
from benchmarks.demo.house import House
from benchmarks.demo.stage import Act, Stage
from benchmarks.demo.strike import Strike

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.demo.cast import Part

_LOOK_SECONDS = 1.0
_STRIKE_SECONDS = 0.2
_AT_MOST_SECONDS = 600.0


def run(cast: Sequence[Part]) -> None:
    """Run the demo from beginning to end.

    Raises:
        AiosError: something did not start, or the demo does not show what it promises.
    """
    stage = Stage()
    with House.opened(stage.say) as house:
        stage.finale(play(house, stage, cast))


def play(house: House, stage: Stage, cast: Sequence[Part]) -> dict[str, Act]:
    """Submit the cast, show it, strike, and wait until all have ended.

    Raises:
        FinalError: an agent is not done, or the worker was never struck.
    """
    names = {house.client.submit(part.program, part.task, priority=part.priority): part.program for part in cast}
    acts = {id_: Act(f"{program}-{id_[-4:]}", house.client.get(id_)) for id_, program in names.items()}
    stage.say(f"submitted {len(acts)} agents")
    strike = Strike(house, say=stage.say, name_of=lambda id_: acts[id_].name if id_ in acts else id_[-4:])
    end = time.monotonic() + _AT_MOST_SECONDS
    try:
        with stage.live() as show:
            while any(act.row["finished_at"] is None for act in acts.values()):
                strike_for(_LOOK_SECONDS, strike)
                look(house, acts)
                show(acts)
                if time.monotonic() > end:
                    raise FinalError(f"the agents have not ended within {_AT_MOST_SECONDS:.0f} s")
        strike.step()
    finally:
        strike.close()
    check(acts, strike)
    return acts


def strike_for(seconds: float, strike: Strike) -> None:
    """Let time pass, with an eye on the moment to strike, and then on who takes over: that is a matter of milliseconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        strike.step()
        time.sleep(_STRIKE_SECONDS)


def look(house: House, acts: dict[str, Act]) -> None:
    """Bring every act up to date, those of children that appeared included."""
    for row in house.client.list(limit=100):
        id_ = str(row["id"])
        known = acts.setdefault(id_, Act(f"{row['program']}-{id_[-4:]}", row))
        if known.row["finished_at"] is None or not known.calls:
            known.row, known.calls = row, list(house.client.journal(id_))


def check(acts: dict[str, Act], strike: Strike) -> None:
    """What the demo promises.

    Raises:
        FinalError: it does not hold.
    """
    bad = [f"{act.name} is {act.state}" for act in acts.values() if act.state != "done"]
    if bad:
        raise FinalError(f"not every agent is done: {', '.join(bad)}")
    if not strike.over:
        raise FinalError("the killed worker's work was not seen to be taken over")
