"""E6: hit ratios of replacement policies on traces: LRU-K as the kernel has it, LRU, FIFO, CLOCK, and Belady's optimum.

Pure and seeded: the figures are the same on every machine.
"""

from __future__ import annotations

import bisect
import heapq
import itertools
import random
import statistics
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from aios.kernel.lru_k import LruK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Trace = list[int]


class Shape(NamedTuple):
    """How long a trace is, over how many pages, and how many of them are held."""

    accesses: int
    pages: int
    capacity: int


class Row(NamedTuple):
    """How one policy fared on one trace."""

    trace: str
    seed: int
    policy: str
    accesses: int
    hits: int


def zipf(shape: Shape, *, alpha: float, seed: int) -> Trace:
    """Independent accesses, the n-th most popular page with a chance of 1 / n^alpha."""
    numbers = random.Random(seed)
    popular = list(range(shape.pages))
    numbers.shuffle(popular)
    weights = list(itertools.accumulate(1 / (n + 1) ** alpha for n in range(shape.pages)))
    return [popular[bisect.bisect_left(weights, numbers.random() * weights[-1])] for _ in range(shape.accesses)]


def scan_polluted(shape: Shape, *, seed: int) -> Trace:
    """A skewed load; again and again, something reads as many pages as are held, each once, in between."""
    numbers = random.Random(seed)
    skewed = iter(zipf(shape, alpha=1.0, seed=seed + 1))
    fresh = itertools.count(shape.pages)
    trace: Trace = []
    while len(trace) < shape.accesses:
        for _ in range(3 * shape.capacity):
            trace.append(next(skewed))
            if len(trace) % 2 == 0 and numbers.random() < 0.5:
                trace.append(next(fresh))
        trace += [next(fresh) for _ in range(shape.capacity)]
    return trace[: shape.accesses]


def phase_shift(shape: Shape, *, seed: int) -> Trace:
    """Nine of ten accesses go to a working set a little smaller than what is held; it moves five times."""
    numbers = random.Random(seed)
    size = shape.capacity * 3 // 4
    sets = [numbers.sample(range(shape.pages), size) for _ in range(5)]
    per_phase = shape.accesses // len(sets)
    return [
        numbers.choice(chosen) if numbers.random() < 0.9 else numbers.randrange(shape.pages)
        for chosen in sets
        for _ in range(per_phase)
    ]


def lru_k(k: int) -> Callable[[Trace, int], int]:
    """Hits under LRU-K, the kernel's own; 1 is LRU."""

    def hits(trace: Trace, capacity: int) -> int:
        held = LruK(capacity, k=k)
        return sum(held.access(page) for page in trace)

    return hits


def fifo(trace: Trace, capacity: int) -> int:
    """Hits when what came first goes first."""
    held: OrderedDict[int, None] = OrderedDict()
    hits = 0
    for page in trace:
        if page in held:
            hits += 1
            continue
        if len(held) >= capacity:
            held.popitem(last=False)
        held[page] = None
    return hits


def clock(trace: Trace, capacity: int) -> int:
    """Hits under CLOCK: FIFO that gives what was touched since the hand came by a second chance."""
    ring: list[int] = []
    touched: dict[int, bool] = {}
    hand = hits = 0
    for page in trace:
        if page in touched:
            touched[page] = True
            hits += 1
        elif len(ring) < capacity:
            ring.append(page)
            touched[page] = False
        else:
            while touched[ring[hand]]:
                touched[ring[hand]] = False
                hand = (hand + 1) % capacity
            del touched[ring[hand]]
            ring[hand], touched[page] = page, False
            hand = (hand + 1) % capacity
    return hits


def belady(trace: Trace, capacity: int) -> int:
    """Hits of who knows the future: what is needed latest goes. Nobody can do better.

    Source: L. Belady, "A study of replacement algorithms for a virtual-storage computer", 1966.
    """
    never = len(trace)
    following = [never] * len(trace)
    seen: dict[int, int] = {}
    for at in range(len(trace) - 1, -1, -1):
        following[at] = seen.get(trace[at], never)
        seen[trace[at]] = at
    needed: dict[int, int] = {}
    queue: list[tuple[int, int]] = []
    hits = 0
    for at, page in enumerate(trace):
        hits += page in needed
        if page not in needed and len(needed) >= capacity:
            while True:
                when, last = heapq.heappop(queue)
                if needed.get(last) == -when:
                    break
            del needed[last]
        needed[page] = following[at]
        heapq.heappush(queue, (-following[at], page))
    return hits


POLICIES = {
    "LRU-2": lru_k(2),
    "LRU-3": lru_k(3),
    "LRU": lru_k(1),
    "FIFO": fifo,
    "CLOCK": clock,
    "Belady": belady,
}


def traces(shape: Shape, *, seed: int) -> Iterator[tuple[str, Trace]]:
    """Every trace by name."""
    for alpha in (0.8, 1.0, 1.2):
        yield f"Zipf {alpha}", zipf(shape, alpha=alpha, seed=seed)
    yield "scan", scan_polluted(shape, seed=seed)
    yield "phase shift", phase_shift(shape, seed=seed)


def rows(shape: Shape, *, seeds: Sequence[int]) -> list[Row]:
    """Every policy on every trace of every seed."""
    return [
        Row(name, seed, policy, len(trace), hits(trace, shape.capacity))
        for seed in seeds
        for name, trace in traces(shape, seed=seed)
        for policy, hits in POLICIES.items()
    ]


def ratios(measured: Sequence[Row]) -> dict[str, dict[str, float]]:
    """The mean hit ratio by trace and policy."""
    found: dict[str, dict[str, list[float]]] = {}
    for row in measured:
        found.setdefault(row.trace, {}).setdefault(row.policy, []).append(row.hits / row.accesses)
    return {
        trace: {policy: statistics.fmean(each) for policy, each in by_policy.items()}
        for trace, by_policy in found.items()
    }
