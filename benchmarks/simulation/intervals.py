"""How sure a ratio is: bootstrap over seeds, paired, since both sides of a ratio saw the same agents."""

from __future__ import annotations

import random
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

_RESAMPLES = 2000


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
    numbers = random.Random("bootstrap")
    pairs = list(zip(above, below, strict=True))
    drawn = sorted(_of(numbers.choices(pairs, k=len(pairs))) for _ in range(_RESAMPLES))
    return Ratio(_of(pairs), drawn[int(0.025 * _RESAMPLES)], drawn[int(0.975 * _RESAMPLES) - 1])


def _of(pairs: Sequence[tuple[float, float]]) -> float:
    below = fmean(pair[1] for pair in pairs)
    return fmean(pair[0] for pair in pairs) / below if below else float("nan")
