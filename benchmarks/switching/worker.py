"""The worker of a cell: a process whose threads claim, generate, keep and complete, and are interrupted on the way.

What must outlive its death is in Postgres (claims, checkpoints), in files (tokens of what is complete) and, for counting
alone, in memory shared with the parent.
"""

from __future__ import annotations

import json
import random
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from aios.db import checkpoints, syscalls
from aios.db.checkpoints import StoredCheckpoints
from aios.db.session import Database
from aios.errors import AiosError, EngineFailed, Ignored, Preempted
from aios.kernel.ids import new_token
from aios.kernel.words import SyscallState
from aios.llm.executor import LLMExecutor
from aios.llm.slices import Slicer
from aios.llm.tgi import TGIDriver
from aios.settings import LLMSettings
from aios.testing import FakeToolBox

if TYPE_CHECKING:
    from collections.abc import Sequence
    from ctypes import Array, c_long
    from pathlib import Path

    from aios.kernel.ports import Batch, Claimed, Token

_PREEMPTED_SHARE, _CUT_SHARE = 0.3, 0.5
_LATEST_CUT = 40  # tokens
_ENGINE_PAUSE_SECONDS = 0.05


class Counters:
    """Per generation, in shared memory: what happened to it."""

    def __init__(self, cells: Array[c_long], count: int) -> None:
        self._cells = cells
        self._count = count

    def get(self, name: str, generation: int) -> int:
        """A counter of one generation."""
        return int(self._cells[NAMES.index(name) * self._count + generation])

    def add(self, name: str, generation: int, more: int = 1) -> None:
        """Add to it; only one thread works on a generation at a time."""
        self._cells[NAMES.index(name) * self._count + generation] += more

    def set(self, name: str, generation: int, value: int) -> None:
        """Set it."""
        self._cells[NAMES.index(name) * self._count + generation] = value

    def total(self, name: str) -> int:
        """The sum over all generations."""
        return sum(self.get(name, generation) for generation in range(self._count))


NAMES = ("claims", "fresh", "open", "preempted", "cut", "killed_worker", "killed_engine", "done")
"""`fresh`: tokens of the present claim that were new; `open`: a claim is under way."""


@dataclass(frozen=True)
class Job:
    """What a worker is to do.

    Attributes:
        level: `kv`, or `rerun`: then the states are deleted before each claim.
        calm: nobody is interrupted here.
    """

    database_url: str
    engine_url: str
    states: Path
    folder: Path
    ids: Sequence[UUID]
    busy: int
    level: str
    calm: bool
    seed: int
    incarnation: UUID


class Worker:
    """Its parts; `run` ends when every generation is complete."""

    def __init__(self, job: Job, counters: Counters) -> None:
        self._job = job
        self._counters = counters
        self._database = Database(job.database_url, pool_size=job.busy + 2)
        settings = LLMSettings(token_seconds=30.0)
        self._sink = _Sink(self)
        self.places: dict[UUID, int] = {id_: place for place, id_ in enumerate(job.ids)}
        self.plans: dict[UUID, _Plan] = {}
        self.executor = LLMExecutor(
            TGIDriver(url=job.engine_url, settings=settings),
            sink=self._sink,
            toolbox=FakeToolBox({}),
            settings=settings,
            slicer=Slicer(StoredCheckpoints(self._database), _Chance(self)),
        )

    def run(self) -> None:
        """Work until all is done."""
        threads = [threading.Thread(target=self._serve, args=(lane,)) for lane in range(self._job.busy)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _serve(self, lane: int) -> None:
        for place in range(lane, len(self._job.ids), self._job.busy):
            while not self._counters.get("done", place):
                self._claim(place)

    def _claim(self, place: int) -> None:
        counters, syscall = self._counters, self._job.ids[place]
        with self._database.statement() as tx:
            if syscalls.state_of(tx, syscall) == SyscallState.DONE:  # its worker was killed before it could count it
                counters.set("done", place, 1)
                return
        self._blame_the_dead(place)
        known = self._known(syscall)
        with self._database.statement() as tx:
            call = syscalls.claim(tx, syscall, token=new_token(), incarnation=self._job.incarnation)
        if call is None:
            time.sleep(0.01)
            return
        counters.add("claims", place)
        counters.set("open", place, 1)
        numbers = random.Random(f"{self._job.seed} {place} {call.attempt}")
        self.plans[call.id] = _Plan.of(numbers, known=known, calm=self._job.calm)
        try:
            self._end(place, call)
        finally:
            counters.set("open", place, 0)

    def _end(self, place: int, call: Claimed) -> None:
        try:
            outcome = self.executor.perform(call)
        except Preempted:
            self._interrupted(place, "preempted")
        except Ignored:
            self._interrupted(place, "cut")
        except EngineFailed:
            self._interrupted(place, "killed_engine")
            time.sleep(_ENGINE_PAUSE_SECONDS)
        except AiosError as error:
            raise SystemExit(f"generation {place}: {error}") from error
        else:
            if outcome.after is not None:
                outcome.after()
            self.executor.drain()
            if not self._sink.whole:
                raise SystemExit(f"generation {place}: a token is missing, or came twice")
            told = {
                "ids": self._sink.ids[call.id],
                "text": (outcome.message or {})["content"],
                "result": outcome.result,
            }
            (self._job.folder / f"{place}.tmp").write_text(json.dumps(told))
            (self._job.folder / f"{place}.tmp").rename(self._job.folder / f"{place}.json")
            with self._database.transaction() as tx:
                syscalls.complete(tx, call, outcome)
            self._counters.set("done", place, 1)
            self._counters.set("fresh", place, 0)
            return
        with self._database.statement() as tx:
            syscalls.give_back(tx, call)

    def _interrupted(self, place: int, how: str) -> None:
        if self._counters.get("fresh", place):  # before its first token there is nothing to interrupt
            self._counters.add(how, place)
        self._counters.set("fresh", place, 0)

    def _blame_the_dead(self, place: int) -> None:
        if self._counters.get("open", place):
            self._interrupted(place, "killed_worker")
            self._counters.set("open", place, 0)

    def _known(self, syscall: UUID) -> int:
        """Tokens that the next claim need not generate; where states are to be lost, this loses them."""
        with self._database.statement() as tx:
            done = checkpoints.load(tx, syscall)
        if done is None:
            return 0
        if self._job.level == "rerun" and done.state is not None:
            (self._job.states / f"{done.state['id']}.kv").unlink(missing_ok=True)
            return 0
        return len(done.tokens)

    def came(self, syscall: UUID, ids: Sequence[int]) -> None:
        """Tokens of a claim came: count the new ones, and cut the claim if its time has come."""
        plan, place = self.plans[syscall], self.places[syscall]
        fresh = max(0, len(ids) - plan.known)
        self._counters.set("fresh", place, fresh)
        if plan.cut_after is not None and fresh >= plan.cut_after:
            self.executor.cancel(syscall)


@dataclass(frozen=True)
class _Plan:
    """What happens to one claim: it is cut after so many new tokens, or leaves at a boundary, or neither."""

    known: int
    cut_after: int | None
    leaves: bool

    @classmethod
    def of(cls, numbers: random.Random, *, known: int, calm: bool) -> _Plan:
        draw = 1.0 if calm else numbers.random()
        cut = numbers.randrange(1, _LATEST_CUT) if _PREEMPTED_SHARE <= draw < _CUT_SHARE else None
        return cls(known, cut, leaves=draw < _PREEMPTED_SHARE)


class _Chance:
    """`Rivals`: somebody better waits at the first boundary of a claim whose plan says so."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def better_waits(self, id_: str, **_: float) -> bool:
        return self._worker.plans[UUID(id_)].leaves


class _Sink:
    """`TokenSink`: the ids of the present claim's tokens."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self.ids: dict[UUID, list[int]] = {}
        self.whole = True

    def send(self, batches: Sequence[Batch]) -> None:
        for batch in batches:
            if batch.tokens:
                self._take(batch.syscall, batch.tokens)

    def _take(self, syscall: UUID, tokens: Sequence[Token]) -> None:
        ids = self.ids.setdefault(syscall, [])
        if tokens[0].index == 1:
            ids.clear()
        self.whole &= tokens[0].index == len(ids) + 1
        ids += [token.id for token in tokens]
        self._worker.came(syscall, ids)


def main(job: Job, counters: Counters) -> None:
    """A worker process."""
    worker = Worker(job, counters)
    worker.run()
    worker.executor.close()
