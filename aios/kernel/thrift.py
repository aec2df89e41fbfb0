"""Thrift: a stream of calls that is to cost as little as is possible while its mean quality stays what was asked for. Pure.

The exact answer for calls that are all known is a linear program. Its dual has one number for the mean: the price of quality,
and each call goes where its cost less price times quality is least. Here the price is learned from the calls that came so far:
every call's offers are a row of steps, from its cheapest offer up, each dearer than the one before by what a unit of quality
costs there. Taking the steps of all remembered calls from the cheapest on until their mean suffices is the linear program's
own solution, and the last step's price is the one to go by. Slots have no price: a full core is passed over, and what that
costs in quality is made up for by the calls that follow.

Source: OmniRouter, arXiv 2502.20576 (the constraint and its dual); Sinha and Zoltners, "The multiple-choice knapsack problem",
Operations Research 27, 1979 (the steps).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

_REMEMBERED: Final = 500
"""Calls that the price is learned from, and over which quality that is missing is made up for: enough for a price that does
not swing, few enough for a tenth of a millisecond."""

_MOST_OWED: Final = 30.0
"""Quality missing or spare is no more than that, so that an hour without good cores is not paid back by an hour of the best."""

_NUDGE: Final = 1e-9  # more than the rounding of a price, less than anything that matters


class Offer(NamedTuple):
    """What a core would take for a call, in any unit, and the quality it gives, from 0 to 1."""

    cost: float
    quality: float


class Step(NamedTuple):
    """From one offer of a call to a dearer one: what a unit of quality costs there, and how much there is."""

    price: float
    quality: float


class Thrift:
    """Ranks the offers that are made for each call of a stream."""

    def __init__(self, quality: float) -> None:
        """`quality` is what the calls are to have in the mean."""
        self._wanted = quality
        self._owed = 0.0
        self._calls: deque[tuple[float, list[Step]]] = deque()
        self._steps: list[Step] = []  # of all remembered calls, cheapest first
        self._least = 0.0  # the quality of all remembered calls, were each to take its cheapest offer
        self.price = 0.0

    def ranked(self, offers: Sequence[Offer]) -> list[int]:
        """The places of the offers for one call, the one to take first."""
        self._remember(offers)
        self.price = self._priced()
        return sorted(range(len(offers)), key=lambda place: (self._loss(offers[place]), -offers[place].quality))

    def took(self, quality: float) -> None:
        """Account for a call that was served with this quality."""
        self._owed = min(_MOST_OWED, max(-_MOST_OWED, self._owed + self._wanted - quality))

    def _loss(self, offer: Offer) -> float:
        return offer.cost - self.price * offer.quality

    def _remember(self, offers: Sequence[Offer]) -> None:
        least, made = steps(offers)
        self._calls.append((least, made))
        self._least += least
        for step in made:
            insort(self._steps, step)
        if len(self._calls) > _REMEMBERED:
            least, made = self._calls.popleft()
            self._least -= least
            for step in made:
                del self._steps[bisect_left(self._steps, step)]

    def _priced(self) -> float:
        """The price of the last step that has to be taken; of the very last one, if all of them are not enough.

        Calls of one size all have that step at that price: whether one more of them takes it, what is owed decides.
        """
        missing = (self._wanted + self._owed / _REMEMBERED) * len(self._calls) - self._least
        price = 0.0
        for step in self._steps:
            if missing <= 0:
                break
            missing -= step.quality
            price = step.price
        return price * (1 + _NUDGE if self._owed > 0 else 1 - _NUDGE)


def steps(offers: Sequence[Offer]) -> tuple[float, list[Step]]:
    """The quality of a call's cheapest offer, and the steps to the better ones that some price of quality is worth.

    These are the corners of the lower convex hull of (quality, cost): prices rise from step to step.
    """
    corners: list[Offer] = []
    for offer in sorted(offers, key=lambda offer: (offer.cost, -offer.quality)):
        if corners and offer.quality <= corners[-1].quality:
            continue
        while len(corners) > 1 and _price(corners[-1], offer) <= _price(corners[-2], corners[-1]):
            corners.pop()
        corners.append(offer)
    made = [Step(_price(low, high), high.quality - low.quality) for low, high in pairwise(corners)]
    return corners[0].quality, made


def _price(low: Offer, high: Offer) -> float:
    return (high.cost - low.cost) / (high.quality - low.quality)
