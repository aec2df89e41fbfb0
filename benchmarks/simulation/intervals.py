"""How sure a ratio is: bootstrap over seeds, paired, since both sides of a ratio saw the same agents."""

from __future__ import annotations

import random
from math import nan
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

_RESAMPLES = 1000


class Ratio(NamedTuple):
    """A ratio of means and the interval that holds it in 95 of 100 resamples."""

    value: float
    low: float
    high: float

    def dump(self) -> dict[str, object]:
        """The ratio as JSON."""
        return {"ratio": round(self.value, 4), "interval_95": [round(self.low, 4), round(self.high, 4)]}


def ratio(above: Sequence[float], below: Sequence[float]) -> Ratio:
    """mean(above) / mean(below); the n-th of each came from the same seed."""
    numbers, seeds = random.Random("bootstrap"), range(len(above))
    drawn = sorted(_of(above, below, numbers.choices(seeds, k=len(above))) for _ in range(_RESAMPLES))
    return Ratio(_of(above, below, seeds), drawn[int(0.025 * _RESAMPLES)], drawn[int(0.975 * _RESAMPLES) - 1])


def _of(above: Sequence[float], below: Sequence[float], seeds: Sequence[int]) -> float:
    divisor = sum([below[seed] for seed in seeds])
    return sum([above[seed] for seed in seeds]) / divisor if divisor else nan
