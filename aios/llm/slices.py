"""What happens between two slices of a generation: it is kept, and gives its place up if somebody better waits.

Nothing here is ever the reason that a generation fails: what cannot be kept, or asked, is done without.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aios.errors import BrokerUnavailable, DatabaseUnavailable, Ignored, Preempted
from aios.kernel.slices import Partial, Slicing
from aios.log import logger

if TYPE_CHECKING:
    from aios.kernel.ports import Boundary, Checkpoints, Claimed, Finish, Prompt, Rivals
    from aios.kernel.values import JsonObject

log = logger(__name__)


@dataclass
class Journey:
    """One claim's way through the slices of a generation.

    Attributes:
        call: the claimed syscall.
        limit: tokens of the whole answer at most.
        done: what it went on from; None: the beginning.
        last: the last boundary that it passed.
        began: by the monotonic clock.
        kept: there are checkpoints of it.
        lost: what had come before its state was lost, and it began again.
    """

    call: Claimed
    limit: int
    done: Partial | None
    last: Partial | None
    began: float
    kept: bool = False
    lost: Partial | None = None

    @property
    def slices(self) -> int:
        """How many slices there are by now, the one under way included."""
        return (self.last.slice if self.last else 0) + 1

    @property
    def at_start(self) -> bool:
        """Whether this claim has added nothing yet to what it went on from."""
        return self.last is self.done

    def of(self, prompt: Prompt) -> Prompt:
        """The prompt in slices, from where it goes on."""
        seed = prompt.sampling.seed
        assert seed is not None  # a prompt made of a syscall has one
        return replace(prompt, slicing=Slicing(int(self.call.payload["slice"]), seed, self.done))

    def again(self) -> None:
        """Begin at the first token."""
        self.lost, self.done, self.last = self.done, None, None

    def told(self, finish: Finish) -> JsonObject:
        """What the journal keeps of the way that ended so: slices, how often it went on from a kept state, how it began again.

        `again` is `rerun` if the tokens that were lost came once more, else `inexact`: another core has answered, which draws
        otherwise. What was not in slices says nothing of them.
        """
        said: JsonObject = {"slices": self.slices} if finish.resume == "kv" else {}
        if self.done is not None:
            said["switches"] = self.done.claims
        if self.lost is not None:
            ids = tuple(token.id for token in self.lost.tokens)
            said["again"] = "rerun" if finish.token_ids[: len(ids)] == ids else "inexact"
        return said


class Slicer:
    """Keeps the boundaries of generations, and asks at each whether to go on."""

    def __init__(self, checkpoints: Checkpoints, rivals: Rivals) -> None:
        self._rivals = rivals
        self.checkpoints = checkpoints

    def begin(self, call: Claimed, *, limit: int) -> Journey:
        """A claim's journey, from where an earlier claim of the syscall came to. Waits for Postgres, if there was one."""
        done = self.checkpoints.load(call) if call.attempt > 1 else None
        return Journey(call, limit, done, done, time.monotonic(), kept=done is not None)

    async def cross(self, journey: Journey, boundary: Boundary, *, core: str) -> None:
        """Pass a boundary.

        Raises:
            Ignored: the syscall is somebody else's by now.
            Preempted: somebody better waits for its place.
        """
        journey.last = boundary.partial
        if not (boundary.partial.state or {}).get("digest"):  # it is in its slot only: whoever gave it up would lose it
            return
        if await asyncio.to_thread(self._give_up, journey, boundary):
            raise Preempted(core, len(boundary.partial.tokens))

    def _give_up(self, journey: Journey, boundary: Boundary) -> bool:
        try:
            if not self.checkpoints.save(journey.call, boundary):
                raise Ignored
            journey.kept = True
            served = time.monotonic() - journey.began
            return self._rivals.better_waits(
                str(journey.call.id), served_seconds=served, left_seconds=self._left(journey, boundary, served)
            )
        except (DatabaseUnavailable, BrokerUnavailable) as error:
            log.warning("llm %s goes on past a boundary: %s", journey.call.id, error)
            return False

    def _left(self, journey: Journey, boundary: Boundary, served: float) -> float:
        """Seconds that the rest will take, if it comes as fast and is as long as it may be."""
        before = len(journey.done.tokens) if journey.done else 0
        now = len(boundary.partial.tokens)
        return served * max(0, journey.limit - now) / max(1, now - before)
