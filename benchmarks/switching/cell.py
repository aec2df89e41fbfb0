"""One cell of E4: generations on one engine, some slots busy, at one level, interrupted until there were enough of it."""

from __future__ import annotations

import asyncio
import json
import random
import time
from dataclasses import dataclass, replace
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
from benchmarks.switching.record import Place, Round
from benchmarks.switching.worker import NAMES, Counters, Job, main

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.context import ForkProcess
    from pathlib import Path

    from aios.kernel.slices import Partial
    from aios.kernel.values import JsonObject
    from benchmarks.switching.record import Record

_SUBJECTS = ("river", "clockmaker", "storm", "library", "fox", "railway", "garden", "ship")
_INEXACT_SEED = 900
_PAUSE_SECONDS = {"simulated": (0.03, 0.15), "llama": (0.4, 1.5)}  # seconds between two looks whether one more is due


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

    @property
    def place(self) -> Place:
        """What its rounds are kept under."""
        return Place(self.backend, self.busy, self.level)


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


def run(cell: Cell, record: Record, *, folder: Path, database_url: str, seed: int) -> None:
    """Do what is left of it, and keep each round."""
    if _left(cell, record) <= 0:
        return
    with Engine(folder / "engine", backend=cell.backend, slots=cell.busy) as engine:
        while (left := _left(cell, record)) > 0:
            new = 1 + max([seed, *(one.seed for one in record.of(cell.place))])
            batch = payloads(cell, count=max(8, min(64, 2 * cell.busy + left // 4)), seed=new)
            record.add(_round(cell, batch, _Place(engine, folder / str(new), database_url, new)))


def _left(cell: Cell, record: Record) -> int:
    """Interruptions that are still to come."""
    return cell.interruptions - sum(one.interruptions for one in record.of(cell.place))


def _round(cell: Cell, batch: Sequence[JsonObject], at: _Place) -> Round:
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
    whole, cut = told
    same = [one["ids"] == other["ids"] and one["text"] == other["text"] for one, other in zip(whole, cut, strict=True)]
    return Round(
        *cell.place,
        seed=at.seed,
        generations=len(same),
        identical=sum(same),
        tokens=sum(len(one["ids"]) for one in cut),
        generated=at.engine.generated() - before,
        preempted=counters.total("preempted"),
        cut=counters.total("cut"),
        killed_worker=counters.total("killed_worker"),
        killed_engine=counters.total("killed_engine"),
    )


def _work(cell: Cell, job: Job, counters: Counters, engine: Engine) -> None:
    """Run workers until all generations are complete; a third of what is interrupted is killed, worker and engine in turn."""
    numbers, victims, claims = random.Random(job.seed), cycle(("worker", "engine")), 0
    worker = _hired(job, counters)
    while counters.total("done") < len(job.ids):
        time.sleep(numbers.uniform(*_PAUSE_SECONDS[cell.backend]))
        rows.take_back(job.database_url, alive=job.incarnation)
        if not worker.is_alive() and counters.total("done") < len(job.ids):
            raise SystemExit("a worker of the benchmark died of itself: see above")
        killed = counters.total("killed_worker") + counters.total("killed_engine")
        if job.calm or 2 * killed > counters.total("preempted") + counters.total("cut"):
            continue
        if counters.total("claims") == claims or not counters.total("fresh"):  # there is nothing to interrupt yet
            continue
        claims = counters.total("claims")
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


def inexact(cell: Cell, record: Record, *, folder: Path) -> None:
    """How often evaluating the tokens again, in place of restoring their state, gives the same text."""
    if record.of(cell.place):
        return
    box = folder / "inexact.json"
    with Engine(folder / "engine", backend=cell.backend, slots=cell.busy) as engine:
        child = FORK.Process(target=_inexact, args=(cell, engine.url, cell.interruptions, box))
        child.start()
        child.join()
    told = json.loads(box.read_text())
    tokens, size, seconds = max(told["states"])
    record.add(
        Round(
            *cell.place,
            seed=_INEXACT_SEED,
            generations=cell.interruptions,
            identical=told["identical"],
            refilled=told["interruptions"],
            state_tokens=tokens,
            state_bytes=size,
            save_ms=round(1000 * seconds, 2),
        )
    )


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

    batch = payloads(cell, count=generations, seed=_INEXACT_SEED)
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
