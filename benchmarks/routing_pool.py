"""E12's world: six virtual models that differ in cost, quality, slots and speed, a stream of queries, and virtual time.

The chance that a model answers a query right is known here (the truth), since the query's difficulty was drawn. What a router
is told of it is another matter: `declared` is the mean over queries like these, one number a model, which is what `aios cores
add --quality` takes; `told` is the true chance of each model at each query, which only a perfect predictor could know.
"""

from __future__ import annotations

import heapq
import itertools
import math
import time
from dataclasses import dataclass, field
from functools import cache, partial
from random import Random
from statistics import fmean
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from aios.kernel.routing import Load, pick
from aios.kernel.thrift import Offer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Model(NamedTuple):
    """A virtual model; costs are of 1,000 tokens, in any currency, and ability is on the scale of difficulty."""

    name: str
    cost_prompt: float
    cost_completion: float
    ability: float
    slots: int
    tokens_per_second: float


MODELS: Final = (
    Model("tiny", 0.02, 0.08, -0.4, 12, 160),
    Model("small", 0.06, 0.24, 0.5, 10, 120),
    Model("medium", 0.15, 0.60, 1.1, 8, 90),
    Model("good", 0.30, 1.20, 1.5, 8, 80),
    Model("large", 1.00, 4.00, 2.3, 6, 60),
    Model("giant", 3.00, 12.00, 3.0, 4, 40),
)
LOADS: Final = {"enough": 0.02, "scarce": 0.3}
"""Arriving work over what all slots can do: models are never full, or the better ones often are."""

_SPREAD_OF_DIFFICULTY: Final = 1.5
_SPREAD_OF_ABILITY: Final = 0.7  # of one model from query to query: the dearer one is not always the better one
_FIRST_TOKEN_SECONDS: Final = 0.2


@dataclass(frozen=True)
class Query:
    """When it comes and, by model: what it would cost, its chance to be answered right, how long it would take."""

    at: float
    costs: tuple[float, ...]
    chances: tuple[float, ...]
    seconds: tuple[float, ...]


@dataclass(frozen=True)
class Cell:
    """One run's parameters."""

    seed: int
    queries: int
    slots: str
    knowledge: str

    def offers(self, query: Query) -> list[Offer]:
        """What a router is told of a query."""
        qualities = query.chances if self.knowledge == "told" else declared()
        return [Offer(*pair) for pair in zip(query.costs, qualities, strict=True)]


class Router(Protocol):
    """Decides where queries go."""

    def ranked(self, offers: Sequence[Offer]) -> Sequence[int]:
        """The models for one query, the one to take first."""
        ...

    def took(self, quality: float) -> None:
        """A query was served with this quality, as far as is known."""
        ...


@dataclass
class Played:
    """What became of the queries: where each went and how long it waited, when the last one ended, what decisions took."""

    chosen: list[int]
    waited_seconds: list[float]
    end: float = 0.0
    decision_us: list[float] = field(default_factory=list)


class Asked(NamedTuple):
    """A query that came, and the models in the order in which it asks them."""

    number: int
    order: Sequence[int]
    offers: Sequence[Offer]


def queries(cell: Cell) -> list[Query]:
    """The stream of a seed: Poisson arrivals, lognormal lengths that do not depend on difficulty."""
    numbers, now = Random(cell.seed), 0.0
    mean_tokens = math.exp(5.4 + 0.8**2 / 2)
    rate = LOADS[cell.slots] * sum(model.slots * model.tokens_per_second for model in MODELS) / mean_tokens
    made = []
    for _ in range(cell.queries):
        now += numbers.expovariate(rate)
        asked, answered = numbers.lognormvariate(6.0, 1.0), numbers.lognormvariate(5.4, 0.8)
        made.append(
            Query(
                now,
                tuple((asked * m.cost_prompt + answered * m.cost_completion) / 1000 for m in MODELS),
                _chances(numbers),
                tuple(_FIRST_TOKEN_SECONDS + answered / m.tokens_per_second for m in MODELS),
            )
        )
    return made


@cache
def declared() -> tuple[float, ...]:
    """Each model's mean chance over 4,000 other queries, to two digits: what an operator could know."""
    numbers = Random(0)
    drawn = [_chances(numbers) for _ in range(4000)]
    return tuple(round(fmean(chances), 2) for chances in zip(*drawn, strict=True))


def play(cell: Cell, stream: Sequence[Query], router: Router, *, patience_seconds: float = 0.0) -> Played:
    """Let a router place a stream, as the door of the kernel's cores does.

    A query goes to the first of its ranked models that has a free slot; with patience it waits so long for the very first one.
    """
    return _Play(cell, stream, router, patience_seconds).run()


class _Play:
    """One run: what happens in the order of its times."""

    def __init__(self, cell: Cell, stream: Sequence[Query], router: Router, patience_seconds: float) -> None:
        self._cell, self._stream, self._router, self._patience = cell, stream, router, patience_seconds
        self._used = [0] * len(MODELS)
        self._waiting: list[Asked] = []
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._ticket = itertools.count()  # who comes first at equal times
        self._now = 0.0
        self._played = Played([-1] * len(stream), [0.0] * len(stream))

    def run(self) -> Played:
        """To the end of the last query."""
        for number, query in enumerate(self._stream):
            self._at(query.at, partial(self._come, number))
        while self._events:
            self._now, _, happen = heapq.heappop(self._events)
            happen()
            self._waiting = [asked for asked in self._waiting if not self._placed(asked)]
        self._played.end = self._now
        return self._played

    def _at(self, when: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._ticket), happen))

    def _come(self, number: int) -> None:
        offers = self._cell.offers(self._stream[number])
        begun = time.thread_time()
        order = self._router.ranked(offers)
        self._played.decision_us.append((time.thread_time() - begun) * 1e6)
        self._waiting.append(Asked(number, order, offers))
        if self._patience:
            self._at(self._now + self._patience, _look_again)

    def _placed(self, asked: Asked) -> bool:
        query = self._stream[asked.number]
        patient = self._now < query.at + self._patience
        order = asked.order[:1] if patient else asked.order
        place = pick([Load(self._used[model], MODELS[model].slots) for model in order], spread=False)
        if place is None:
            return False
        model = order[place]
        self._used[model] += 1
        self._played.chosen[asked.number] = model
        self._played.waited_seconds[asked.number] = self._now - query.at
        self._at(self._now + query.seconds[model], partial(self._end, model, asked.offers[model].quality))
        return True

    def _end(self, model: int, quality: float) -> None:
        self._used[model] -= 1
        self._router.took(quality)


def _look_again() -> None:
    """Whoever waits is looked at after every event."""


def _chances(numbers: Random) -> tuple[float, ...]:
    difficulty = numbers.gauss(0, _SPREAD_OF_DIFFICULTY)
    return tuple(
        1 / (1 + math.exp(difficulty - model.ability - numbers.gauss(0, _SPREAD_OF_ABILITY))) for model in MODELS
    )
