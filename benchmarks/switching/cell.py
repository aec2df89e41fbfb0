"""One cell of E4: generations on one engine, some slots busy, at one level, interrupted until there were enough of it."""

from __future__ import annotations

import asyncio
import json
import random
import time
from dataclasses import dataclass, field, replace
from itertools import cycle, islice
from typing import TYPE_CHECKING, NamedTuple

from aios.kernel.chat import Sampling
from aios.kernel.ids import new_token
from aios.kernel.ports import Boundary, Finish, Prompt, Token
from aios.kernel.slices import Slicing
from aios.llm.tgi import TGIDriver
from aios.settings import LLMSettings
from benchmarks.switching import rows
from benchmarks.switching.engine import FORK, Engine
from benchmarks.switching.worker import INTERRUPTIONS, NAMES, Counters, Job, main

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.context import ForkProcess
    from pathlib import Path

    from aios.kernel.slices import Partial
    from aios.kernel.values import JsonObject

_SUBJECTS = ("river", "clockmaker", "storm", "library", "fox", "railway", "garden", "ship")
_PAUSE_SECONDS = {"simulated": (0.05, 0.25), "llama": (0.6, 2.0)}  # seconds between two looks whether one more is due


@dataclass(frozen=True)
class Cell:
    """What is done.

    Attributes:
        backend: `simulated` or `llama`.
        busy: slots, and generations at once.
        level: `kv`, `rerun` or `inexact`.
        interruptions: at least so many.
    """

    backend: str
    busy: int
    level: str
    interruptions: int
    tokens: int
    slice: int


@dataclass
class Found:
    """What came of a cell."""

    interruptions: dict[str, int] = field(default_factory=dict)
    generations: int = 0
    identical: int = 0
    tokens: int = 0
    generated: int = 0
    states: list[tuple[int, int, float]] = field(default_factory=list)

    @property
    def total(self) -> int:
        """All interruptions."""
        return sum(self.interruptions.values())

    @property
    def kills(self) -> int:
        """Interruptions by a SIGKILL."""
        return self.interruptions.get("killed_worker", 0) + self.interruptions.get("killed_engine", 0)

    def plus(self, other: Found) -> Found:
        """Both together."""
        how = {name: self.interruptions.get(name, 0) + other.interruptions.get(name, 0) for name in INTERRUPTIONS}
        return Found(
            how,
            self.generations + other.generations,
            self.identical + other.identical,
            self.tokens + other.tokens,
            self.generated + other.generated,
            self.states + other.states,
        )

    def to_json(self) -> JsonObject:
        """For the report."""
        return {
            "generations": self.generations,
            "identical": self.identical,
            "share_identical": self.identical / max(1, self.generations),
            "interruptions": self.total,
            "kills": self.kills,
            "by_kind": self.interruptions,
            "share_computed_twice": round(max(0, self.generated - self.tokens) / max(1, self.tokens), 4),
        }

    def count(
        self, whole: Sequence[JsonObject], cut: Sequence[JsonObject], counters: Counters, *, generated: int
    ) -> None:
        """Add a batch: what was told undisturbed, what was told interrupted, and what happened meanwhile."""
        same = [
            one["ids"] == other["ids"] and one["text"] == other["text"] for one, other in zip(whole, cut, strict=True)
        ]
        self.generations += len(same)
        self.identical += sum(same)
        self.tokens += sum(len(one["ids"]) for one in cut)
        self.generated += generated
        for how in INTERRUPTIONS:
            self.interruptions[how] = self.interruptions.get(how, 0) + counters.total(how)


class _Place(NamedTuple):
    """Where a batch is generated."""

    engine: Engine
    folder: Path
    database_url: str
    seed: int


def payloads(cell: Cell, *, count: int, seed: int) -> list[JsonObject]:
    """Every second one greedy; prompts and seeds differ."""
    found = []
    for number, subject in enumerate(islice(cycle(_SUBJECTS), count)):
        sampling: JsonObject = {"max_tokens": cell.tokens, "seed": 1000 * seed + number}
        sampling |= {"temperature": 0.8, "top_p": 0.95} if number % 2 else {"repetition_penalty": 1.1}
        prompt = f"{seed}.{number} A long story about a {subject} and what came of it, told slowly:\n\nOnce"
        found.append({"prompt": prompt, "sampling": sampling, "slice": cell.slice})
    return found


def run(cell: Cell, *, folder: Path, database_url: str, seed: int) -> Found:
    """Do it."""
    found = Found()
    with Engine(folder / "engine", backend=cell.backend, slots=cell.busy) as engine:
        while found.total < cell.interruptions:
            seed += 1
            batch = payloads(cell, count=max(8, min(64, 2 * cell.busy + cell.interruptions // 4)), seed=seed)
            _round(cell, batch, _Place(engine, folder / str(seed), database_url, seed), found)
    return found


def _round(cell: Cell, batch: Sequence[JsonObject], at: _Place, found: Found) -> None:
    """Generate a batch undisturbed, then interrupted, and compare."""
    told = []
    for calm in (True, False):
        where = at.folder / ("calm" if calm else "cut")
        where.mkdir(parents=True)
        job = Job(
            database_url=at.database_url,
            engine_url=at.engine.url,
            states=at.engine.states,
            folder=where,
            ids=rows.add(at.database_url, batch),
            busy=cell.busy,
            level=cell.level,
            calm=calm,
            seed=at.seed,
            incarnation=new_token(),
        )
        counters = Counters(FORK.RawArray("l", len(batch) * len(NAMES)), len(batch))
        before = at.engine.generated()
        _work(cell, job, counters, at.engine)
        told.append([json.loads((where / f"{place}.json").read_text()) for place in range(len(batch))])
    found.count(told[0], told[1], counters, generated=at.engine.generated() - before)


def _work(cell: Cell, job: Job, counters: Counters, engine: Engine) -> None:
    """Run workers until all generations are complete; a third of what is interrupted is killed, worker and engine in turn."""
    numbers, victims = random.Random(job.seed), cycle(("worker", "engine"))
    worker = _hired(job, counters)
    while counters.total("done") < len(job.ids):
        time.sleep(numbers.uniform(*_PAUSE_SECONDS[cell.backend]))
        rows.take_back(job.database_url, alive=job.incarnation)
        if not worker.is_alive() and counters.total("done") < len(job.ids):
            raise SystemExit("a worker of the benchmark died of itself: see above")
        killed = counters.total("killed_worker") + counters.total("killed_engine")
        if job.calm or 2 * killed > counters.total("preempted") + counters.total("cut"):
            continue
        if next(victims) == "engine":
            engine.kill()
            engine.start()
            continue
        worker.kill()
        worker.join()
        job = replace(job, incarnation=new_token())
        worker = _hired(job, counters)
    worker.join()


def _hired(job: Job, counters: Counters) -> ForkProcess:
    worker = FORK.Process(target=main, args=(job, counters))
    worker.start()
    return worker


def inexact(cell: Cell, *, folder: Path, generations: int) -> Found:
    """How often evaluating the tokens again, in place of restoring their state, gives the same text."""
    found = Found(generations=generations)
    box = folder / "inexact.json"
    with Engine(folder / "engine", backend=cell.backend, slots=cell.busy) as engine:
        child = FORK.Process(target=_inexact, args=(cell, engine.url, generations, box))
        child.start()
        child.join()
    told = json.loads(box.read_text())
    found.identical, found.states = told["identical"], [tuple(one) for one in told["states"]]
    found.interruptions["refilled"] = told["interruptions"]
    return found


def _inexact(cell: Cell, url: str, generations: int, box: Path) -> None:
    told = asyncio.run(_compare(cell, url, generations))
    box.write_text(json.dumps(told))


async def _compare(cell: Cell, url: str, generations: int) -> JsonObject:
    driver = TGIDriver(url=url, settings=LLMSettings())
    lanes = asyncio.Semaphore(cell.busy)
    states: list[tuple[int, int, float]] = []

    async def one(payload: JsonObject) -> bool:
        async with lanes:
            sampling = Sampling.from_json(payload["sampling"])
            slicing = Slicing(cell.slice, sampling.seed or 0)
            prompt = Prompt(text=payload["prompt"], sampling=sampling, slicing=slicing)
            whole, boundaries = await _all(driver, prompt)
            states.extend((b.state["tokens"], b.state["bytes"], b.state["seconds"]) for b in boundaries if b.state)
            middle = replace(boundaries[len(boundaries) // 2], state=None)
            again, _ = await _all(driver, replace(prompt, slicing=replace(slicing, done=middle, inexact=True)))
            return whole == again

    batch = payloads(cell, count=generations, seed=900)
    same = await asyncio.gather(*(one(payload) for payload in batch))
    await driver.aclose()
    return {"identical": sum(same), "interruptions": len(same), "states": states}


async def _all(driver: TGIDriver, prompt: Prompt) -> tuple[list[int], list[Partial]]:
    ids: list[int] = []
    boundaries: list[Partial] = []
    async for item in driver.generate(prompt):
        if isinstance(item, Token):
            ids.append(item.id)
        elif isinstance(item, Boundary):
            boundaries.append(item.partial)
        else:
            assert isinstance(item, Finish)
    return ids, boundaries
