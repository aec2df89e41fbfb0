"""Which cells a run of the policy benchmark has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.simulation.experiments import BASELINES, KERNEL, Cell
from benchmarks.simulation.workload import parameters

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is simulated: seeds of each experiment, agents of the open one, and whether E1 is split by shape and speed."""

    open_seeds: int
    open_agents: int
    frontier_seeds: int
    closed_seeds: int
    split: bool

    @classmethod
    def of(cls, *, quick: bool, smoke: bool = False) -> Plan:
        """A minute, or several; `smoke`: one seed, some seconds."""
        if smoke:
            return cls(1, 200, 1, 1, split=False)
        return cls(20, 500, 5, 3, split=False) if quick else cls(40, 2000, 20, 10, split=True)

    def cells(self) -> list[Cell]:
        """All cells, the open ones first: they take longest."""
        return [*self._open(), *self._frontier(), *self._closed(), *self._trial()]

    def _open(self) -> Iterator[Cell]:
        for seed in range(self.open_seeds):
            for strategy in ("B2", "B4", *KERNEL):
                yield Cell(experiment="open", strategy=strategy, seed=seed, agents=self.open_agents)

    def _frontier(self) -> Iterator[Cell]:
        for seed in range(self.frontier_seeds):
            for ageing in parameters()["policies"]["frontier_ageing"]:
                yield Cell(experiment="frontier", strategy="las", seed=seed, agents=self.open_agents, ageing=ageing)

    def _closed(self) -> Iterator[Cell]:
        shapes = ("", *parameters()["shapes"]) if self.split else ("",)
        speeds = tuple(parameters()["engine"]["speeds"]) if self.split else ("tenth",)
        for seed in range(self.closed_seeds):
            for shape in shapes:
                for speed in speeds:
                    for strategy in (*BASELINES, *KERNEL):
                        yield Cell(
                            experiment="closed", strategy=strategy, seed=seed, agents=_batch(), shape=shape, speed=speed
                        )

    def _trial(self) -> Iterator[Cell]:
        for seed in range(self.closed_seeds):
            for fails in parameters()["trial"]["curve_ms"]:
                yield Cell(experiment="trial", strategy="B1", seed=seed, agents=_batch(), failed_load_ms=float(fails))


def _batch() -> int:
    return int(parameters()["batch"]["agents"])
