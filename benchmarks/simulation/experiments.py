"""The cells of the policy benchmark: one strategy on one seed's agents, each a run of its own from its parameters alone."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, fields
from multiprocessing import get_context
from typing import TYPE_CHECKING

from aios.kernel.scheduling import LeastAttained, policy
from benchmarks.simulation import gates, workload
from benchmarks.simulation.kernel import KernelGate
from benchmarks.simulation.measure import figures
from benchmarks.simulation.sanity import breaches
from benchmarks.simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from benchmarks.simulation.measure import Figures
    from benchmarks.simulation.world import Opens, Run

BASELINES = {
    "B0": "one agent after the other",
    "B1": "trial and error",
    "B2": "a semaphore",
    "B3": "the engine's own queue",
    "B4": "published AIOS' FIFO batches, as described",
}
KERNEL = {  # name: policy, and whether calls are cut into slices
    "fifo": ("fifo", False),
    "priority": ("priority", True),
    "rr": ("rr", True),
    "las": ("las", True),
    "las_order_only": ("las", False),
    "fair": ("fair", True),
}
_GIVE_UP_SECONDS = 50_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One run's parameters.

    Attributes:
        experiment: `closed`, `trial`, `open` or `frontier`; `batching` or `growth`, a closed batch too.
        strategy: a key of BASELINES or KERNEL.
        agents: how many.
        shape: of all agents; empty: the five mixed.
        failed_load_ms: of B1.
        ageing: of `las`.
        slots: of the core; None: the file's.
        workers: agents under way at once in a closed batch; None: the file's; 0: all of them.
    """

    experiment: str
    strategy: str
    seed: int
    agents: int
    shape: str = ""
    speed: str = "tenth"
    failed_load_ms: float | None = None
    ageing: float | None = None
    slots: int | None = None
    workers: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a cell came to; no figures: the run was given up."""

    cell: Cell
    figures: Figures
    breaches: list[str]

    def row(self) -> dict[str, object]:
        """One line of the raw CSV."""
        return {**asdict(self.cell), "ended": bool(self.figures), "breaches": "; ".join(self.breaches), **self.figures}

    @classmethod
    def of_row(cls, row: Mapping[str, str]) -> Outcome:
        """What `row` gave, as the CSV has it."""
        cell = Cell(
            experiment=row["experiment"],
            strategy=row["strategy"],
            seed=int(row["seed"]),
            agents=int(row["agents"]),
            shape=row["shape"],
            speed=row["speed"],
            failed_load_ms=float(row["failed_load_ms"]) if row["failed_load_ms"] else None,
            ageing=float(row["ageing"]) if row["ageing"] else None,
            slots=int(row["slots"]) if row.get("slots") else None,
            workers=int(row["workers"]) if row.get("workers") else None,
        )
        known = {*(each.name for each in fields(Cell)), "ended", "breaches"}
        figures = {name: float(value) for name, value in row.items() if name not in known and value}
        return cls(cell, figures, [breach for breach in row["breaches"].split("; ") if breach])


def run(cell: Cell) -> Outcome:
    """Run one cell."""
    is_open = cell.experiment in {"open", "frontier"}
    done = simulate(cell)
    if not done.ended:
        return Outcome(cell, {}, [])
    warm_up = workload.parameters()["arrivals"]["warm_up"] if is_open else 0.0
    saturated = cell.experiment == "closed" and not cell.shape and cell.strategy in {"B2", "fifo"}
    return Outcome(cell, figures(done, warm_up=warm_up), breaches(done, saturated=saturated))


def simulate(cell: Cell) -> Run:
    """Let a cell's agents run, to their end or until they are given up."""
    timing = workload.timing(speed=cell.speed, slots=cell.slots)
    if cell.experiment in {"open", "frontier"}:
        agents, workers = workload.arrivals(cell.seed, agents=cell.agents, on=timing), None
    else:
        agents, workers = workload.batch(cell.seed, agents=cell.agents, shape=cell.shape or None), _workers(cell)
    return World(agents, timing, _opens(cell), workers=workers).run(limit_seconds=_GIVE_UP_SECONDS)


def _workers(cell: Cell) -> int | None:
    if cell.strategy == "B0":
        return 1
    given = workload.parameters()["batch"]["workers"] if cell.workers is None else cell.workers
    return given or None


def _opens(cell: Cell) -> Opens:
    match cell.strategy:
        case "B1":
            fails = None if cell.failed_load_ms is None else cell.failed_load_ms / 1000
            return lambda clock, timing, answered: gates.TrialAndError(
                clock, timing, answered=answered, seed=cell.seed, failed_load_seconds=fails
            )
        case "B2":
            return lambda clock, timing, answered: gates.Semaphore(clock, timing, answered=answered, seed=cell.seed)
        case "B0" | "B3":
            return lambda clock, timing, answered: gates.EngineQueue(clock, timing, answered=answered)
        case "B4":
            return lambda clock, timing, answered: gates.PublishedBatch(clock, timing, answered=answered)
    name, slices = KERNEL[cell.strategy]
    chosen = policy(name) if cell.ageing is None else LeastAttained(ageing=cell.ageing)
    return lambda clock, timing, answered: KernelGate(clock, timing, answered=answered, policy=chosen, slices=slices)


def run_all(cells: Iterable[Cell], *, jobs: int) -> list[Outcome]:
    """Run cells, in the order given; virtual time does not depend on what else the machine does."""
    line = list(cells)
    if jobs == 1:
        return [run(cell) for cell in line]
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        return list(pool.map(run, line, chunksize=4))
