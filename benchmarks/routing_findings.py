"""What the rows of `aios bench routing` say: ratios to the exact optimum, paired by seed, and whether targets are met."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING, Final, NamedTuple

from benchmarks.routing_pool import LOADS, MODELS, declared
from benchmarks.simulation.intervals import ratio

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aios.kernel.values import JsonObject

WANTED: Final = 0.75
"""The mean quality to keep: between the fourth and the fifth model's own."""

OURS: Final = ("ours", "ours, patient")
FARTHEST: Final = 1.02
SLOWEST_US: Final = 1000.0
_ROUNDING: Final = 1e-6


class Row(NamedTuple):
    """How one router fared on one cell.

    Attributes:
        quality: the mean of what the router was told of the models that it chose.
        right: the mean of their true chances.
        optimum: the least cost at the wanted quality.
        same: the least cost at this router's own quality; of others than ours not computed.
        later_cost: as `cost`, of all queries but the first tenth; so with `later_same`.
    """

    slots: str
    knowledge: str
    seed: int
    router: str
    cost: float
    quality: float
    right: float
    optimum: float
    same: float
    later_cost: float
    later_same: float
    waited_seconds: float
    decision_p50_us: float
    decision_p99_us: float


def findings(rows: Sequence[Row]) -> JsonObject:
    """All figures: ratios are paired by seed."""
    kinds = list(dict.fromkeys((row.slots, row.knowledge) for row in rows))
    found = [_cell([row for row in rows if (row.slots, row.knowledge) == kind]) for kind in kinds]
    slowest = max(row.decision_p99_us for row in rows if row.router in OURS)
    return {
        "wanted_quality": WANTED,
        "models": [{**model._asdict(), "quality": told} for model, told in zip(MODELS, declared(), strict=True)],
        "loads": LOADS,
        "cells": found,
        "targets": [*(_near(cell, name) for cell in found for name in OURS), _quick_enough(slowest)],
        "breaches": breaches(rows),
    }


def _cell(rows: Sequence[Row]) -> JsonObject:
    by_router = {
        name: [row for row in rows if row.router == name] for name in dict.fromkeys(row.router for row in rows)
    }
    ours = by_router["ours"]
    return {
        "slots": rows[0].slots,
        "knowledge": rows[0].knowledge,
        "seeds": len(ours),
        "optimum_cost": fmean(row.optimum for row in ours),
        "over_the_optimum_at_its_own_quality": {name: _over_the_optimum(by_router[name]) for name in OURS},
        "routers": {
            name: {
                "cost": fmean(row.cost for row in each),
                "quality": fmean(row.quality for row in each),
                "right": fmean(row.right for row in each),
                "cost_over_optimum": ratio([r.cost for r in each], [r.optimum for r in each]).dump(),
                "cost_over_ours": ratio([r.cost for r in each], [r.cost for r in ours]).dump(),
                "right_over_ours": ratio([r.right for r in each], [r.right for r in ours]).dump(),
                "waited_seconds": fmean(row.waited_seconds for row in each),
                "decision_p50_us": fmean(row.decision_p50_us for row in each),
                "decision_p99_us": max(row.decision_p99_us for row in each),
            }
            for name, each in by_router.items()
        },
    }


def _over_the_optimum(rows: Sequence[Row]) -> JsonObject:
    return {
        **ratio([row.cost for row in rows], [row.same for row in rows]).dump(),
        "after_the_first_tenth": ratio([row.later_cost for row in rows], [row.later_same for row in rows]).dump(),
    }


def _near(cell: JsonObject, name: str) -> JsonObject:
    found = cell["over_the_optimum_at_its_own_quality"][name]
    where = f"{name}, slots {cell['slots']}, qualities {cell['knowledge']}: cost over the optimum's"
    return {
        "target": where,
        "wanted": f"<= {FARTHEST}",
        **found,
        "met": found["ratio"] <= FARTHEST,
        "met_after_the_first_tenth": found["after_the_first_tenth"]["ratio"] <= FARTHEST,
    }


def _quick_enough(slowest_us: float) -> JsonObject:
    return {
        "target": "99 of 100 decisions of ours, in the slowest run: CPU ms",
        "wanted": f"< {SLOWEST_US / 1000:g}",
        "value": round(slowest_us / 1000, 3),
        "met": slowest_us < SLOWEST_US,
    }


def breaches(rows: Sequence[Row]) -> list[str]:
    """Where a router beats what cannot be beaten: one of the two is wrong then."""
    told = []
    for row in rows:
        beaten = row.quality >= WANTED and row.cost < row.optimum * (1 - _ROUNDING)
        pairs = ((row.cost, row.same), (row.later_cost, row.later_same))
        if beaten or any(cost < least * (1 - _ROUNDING) for cost, least in pairs):
            told.append(f"{row.router} beats the optimum: {row}")
    return told
