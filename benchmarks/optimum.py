"""The least that calls can cost at a mean quality with limited cores: exactly, by a linear program that knows all of them.

Shares of a core's time are limited, not calls at once: what runs within a time takes no more of a core than its slots times
that time. Whoever has to decide call by call can only do worse, so this is a bound for every router.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]

_ROUNDING: Final = 1e-9


class Calls(NamedTuple):
    """Of each call (row) at each core (column): its cost, quality and seconds; and how many seconds each core has."""

    costs: Matrix
    qualities: Matrix
    seconds: Matrix
    limits: Sequence[float]


def least_cost(calls: Calls, quality: float, *, whole: bool = False) -> float:
    """The cost of the best assignment of all calls whose mean quality is at least that; not a number: there is none.

    Args:
        calls: what is to be assigned.
        quality: the least mean.
        whole: whether a call goes to one core; else it may be split, which bounds that from below.
    """
    count, cores = calls.costs.shape
    shares = calls.seconds / np.asarray(calls.limits)
    within = sparse.hstack([sparse.diags(row) for row in shares], format="csr")
    mean = sparse.csr_matrix(-calls.qualities.reshape(1, -1))
    found = linprog(
        calls.costs.ravel(),
        A_ub=sparse.vstack([within, mean], format="csr"),
        b_ub=np.append(np.ones(cores), _ROUNDING - quality * count),
        A_eq=sparse.kron(sparse.eye(count), np.ones((1, cores)), format="csr"),
        b_eq=np.ones(count),
        bounds=(0, 1),
        integrality=int(whole),
    )
    return float(found.fun) if found.success else float("nan")
