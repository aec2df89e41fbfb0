"""E5: what slices cost, by their length: the time between two slices that none of their tokens accounts for.

Wall-clock totals of a busy machine differ by more than is looked for. So the parts are measured: how much later the first
token of a slice comes than a token within one (medians), with the checkpoint in Postgres and the question to the ready sets
in between; once in the slot where the slice before it ended, and once restored after somebody else had the only slot.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from aios.db import syscalls
from aios.db.checkpoints import StoredCheckpoints
from aios.db.session import Database
from aios.kernel.chat import Sampling
from aios.kernel.ids import new_token
from aios.kernel.ports import Boundary, Prompt, Token
from aios.kernel.slices import Slicing
from aios.llm.tgi import TGIDriver
from aios.ready import ReadySets
from aios.settings import LLMSettings
from benchmarks.switching import rows
from benchmarks.switching.engine import FORK, Engine

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from aios.kernel.ports import Claimed
    from aios.kernel.values import JsonObject
    from aios.local.stack import Services

_STEP_MS = 20.0  # a token of an 8B model on one GPU, about
_SLICES = 3  # of a generation
_SIZES = {"quick": ((64, 128), 1), "full": ((16, 32, 64, 128, 256), 3)}  # tokens of a slice; generations of each kind


class Gap(NamedTuple):
    """The time between the last token of a slice and the first one of the next.

    Attributes:
        slice: tokens of it.
        number: of the generation.
        pre_empted: somebody else had the slot meanwhile; their time is not counted.
        gap_ms: what it took.
        token_ms: between two tokens within a slice, the median of this generation.
    """

    engine: str
    slice: int
    number: int
    pre_empted: int
    gap_ms: float
    token_ms: float


def costs(gaps: Sequence[Gap]) -> dict[str, JsonObject]:
    """What the end of a slice costs, by its length: in the same slot, and where somebody else had it meanwhile."""
    return {
        str(size): _cost([gap for gap in gaps if gap.slice == size]) for size in sorted({gap.slice for gap in gaps})
    }


def _cost(gaps: Sequence[Gap]) -> JsonObject:
    token = statistics.median(gap.token_ms for gap in gaps)
    kept, switched = (
        statistics.median(gap.gap_ms for gap in gaps if gap.pre_empted == pre_empted) - token for pre_empted in (0, 1)
    )
    whole = gaps[0].slice * token
    return {
        "token_ms": round(token, 3),
        "boundary_ms": round(kept, 3),
        "switch_ms": round(switched, 3),
        "share_kept": round(kept / whole, 5),
        "share_pre_empted": round(switched / whole, 5),
    }


def measured(backend: str, folder: Path, services: Services, *, quick: bool) -> list[Gap]:
    """The gaps of slices of several lengths on an engine with one slot."""
    sizes, times = _SIZES["quick" if quick else "full"]
    box = folder / "cost.json"
    with Engine(folder, backend=backend, slots=1, step_ms=_STEP_MS) as engine:
        bench = _Bench(engine.url, services.database_url, services.redis_url, times)
        child = FORK.Process(target=_measure, args=(bench, sizes, box))
        child.start()
        child.join()
    return [Gap(backend, *one) for one in json.loads(box.read_text())]


@dataclass(frozen=True)
class _Bench:
    """Where it is measured, and how often."""

    engine_url: str
    database_url: str
    redis_url: str
    times: int


def _measure(bench: _Bench, sizes: Sequence[int], box: Path) -> None:
    box.write_text(json.dumps([gap for size in sizes for gap in asyncio.run(_one(bench, size))]))


async def _one(bench: _Bench, size: int) -> list[tuple[float, ...]]:
    """All of a gap but its engine."""
    database, ready = Database(bench.database_url), ReadySets(bench.redis_url, lease_seconds=5.0)
    ready.open()
    driver = TGIDriver(url=bench.engine_url, settings=LLMSettings())
    (syscall,) = rows.add(bench.database_url, [{}])
    with database.statement() as tx:
        call = syscalls.claim(tx, syscall, token=new_token(), incarnation=new_token())
    assert call is not None
    between = _Between(call, StoredCheckpoints(database), ready)
    found: list[tuple[float, ...]] = []
    for number in range(bench.times):
        for rival in (False, True):
            gaps, within = await _generation(driver, size, number, between, rival=rival)
            token_ms = 1000 * statistics.median(within)
            found += [(size, number, int(rival), round(1000 * gap, 3), round(token_ms, 3)) for gap in gaps]
    await driver.aclose()
    database.close()
    ready.close()
    return found


@dataclass(frozen=True)
class _Between:
    """What the kernel does between two slices."""

    call: Claimed
    checkpoints: StoredCheckpoints
    ready: ReadySets

    def __call__(self, boundary: Boundary) -> None:
        self.checkpoints.save(self.call, boundary)
        self.ready.better_waits(str(self.call.id), served_seconds=1.0, left_seconds=1.0)


async def _generation(
    driver: TGIDriver, size: int, number: int, between: _Between, *, rival: bool
) -> tuple[list[float], list[float]]:
    """The gaps between one generation's slices, and those within them; a rival has the slot between slices, not counted."""
    sampling = Sampling(max_tokens=_SLICES * size + 2, seed=number, temperature=0.8)
    prompt = Prompt(text=f"{number} A very long story:\n\nOnce", sampling=sampling, slicing=Slicing(size, number))
    gaps: list[float] = []
    within: list[float] = []
    at, times, began = 0.0, [], None
    async for item in driver.generate(prompt):
        if isinstance(item, Token):
            times.append(time.perf_counter())
            if began is not None:
                gaps.append(at + times[-1] - began)
                times, began = times[-1:], None
        elif isinstance(item, Boundary):
            within += [b - a for a, b in pairwise(times)]
            ended = times[-1]
            await asyncio.to_thread(between, item)
            at = time.perf_counter() - ended
            if rival:
                other = Prompt(text="Short:", sampling=Sampling(max_tokens=1, seed=0), slicing=Slicing(size, 0))
                async for _ in driver.generate(other):
                    pass
            times, began = [], time.perf_counter()
    return gaps, within
