"""How sure a ratio is: bootstrap over seeds, paired, since both sides of a ratio saw the same agents."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

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
    pairs = np.array([above, below], dtype=float)
    drawn = np.random.default_rng(0).integers(pairs.shape[1], size=(_RESAMPLES, pairs.shape[1]))
    ratios = np.sort(_of(pairs[:, drawn]))
    return Ratio(float(_of(pairs)), float(ratios[int(0.025 * _RESAMPLES)]), float(ratios[int(0.975 * _RESAMPLES) - 1]))


def _of(pairs: NDArray[np.float64]) -> NDArray[np.float64]:
    """The ratio of the sums over the last axis; not a number where the divisor is none."""
    above, below = pairs.sum(axis=-1)
    found: NDArray[np.float64] = np.divide(above, below, out=np.full_like(below, np.nan), where=below != 0)
    return found
