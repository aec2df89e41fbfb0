"""Whether an interrupted generation says what the uninterrupted one says (E4), and what the interruption costs (E5).

Levels: `kv` goes on from the state saved at the last slice's end; `rerun` has lost the state and begins again with the same
seeds; `inexact` evaluates the tokens so far again, as kernels that swap contexts by text do. Two interruptions in three leave
at a slice's end or are cut anywhere; the third is a SIGKILL of the worker or of the engine. Claims and checkpoints are the
kernel's own, in Postgres.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from aios.db import schema
from aios.db.session import Database
from aios.local.stack import Services
from benchmarks.switching import cell as cells
from benchmarks.switching.cell import Cell, Found
from benchmarks.switching.cost import measured

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aios.kernel.values import JsonObject
    from benchmarks.switching.cost import Cost

_LENGTHS = {"simulated": (96, 16), "llama": (64, 16)}  # tokens of an answer, and of a slice
_FULL = {"simulated": 1000, "llama": 200}
_QUICK = {"simulated": 40, "llama": 10}
_AFFORDABLE = 0.01
_SHARES = ((1, "kv", 0.2), (4, "kv", 0.4), (1, "rerun", 0.1), (4, "rerun", 0.3))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run it."""
    parser = argparse.ArgumentParser(prog="aios bench switch", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute instead of a quarter of an hour")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--engine", choices=["simulated", "llama", "both"], default="both", help="which engines")
    parser.add_argument("--seed", type=int, default=1, help="other prompts, other interruptions")
    options = parser.parse_args(arguments)
    engines = ("simulated", "llama") if options.engine == "both" else (options.engine,)
    console = Console(stderr=True, quiet=options.json)
    with tempfile.TemporaryDirectory(prefix="aios-switch-") as folder:
        found = measure(Path(folder), engines, console, quick=options.quick, seed=options.seed)
    print(json.dumps(found, indent=2)) if options.json else show(found)
    if any(found[name][level]["share_identical"] < 1 for name in engines for level in ("kv", "rerun")):
        raise SystemExit("an interrupted generation differed from the uninterrupted one")


def measure(folder: Path, engines: Sequence[str], console: Console, *, quick: bool, seed: int) -> JsonObject:
    """All figures of one run."""
    found: JsonObject = {"interruptions": 0, "token_identical": 0, "kills": 0, "generations": 0}
    with Services(folder / "services") as services:
        database = Database(services.database_url)
        schema.upgrade(database)
        database.close()
        for name in engines:
            found[name] = _engine(name, folder / name, services, console, quick=quick, seed=seed)
            for key in ("interruptions", "token_identical", "kills", "generations"):
                found[key] += found[name][key]
    return found


def _engine(name: str, folder: Path, services: Services, console: Console, *, quick: bool, seed: int) -> JsonObject:
    tokens, size = _LENGTHS[name]
    wanted = (_QUICK if quick else _FULL)[name]
    levels = {"kv": Found(), "rerun": Found()}
    for busy, level, share in _SHARES:
        cell = Cell(name, busy, level, max(2, round(share * wanted)), tokens, size)
        with console.status(f"{name}: {level}, {busy} busy, {cell.interruptions} interruptions"):
            done = cells.run(cell, folder=folder / f"{level}-{busy}", database_url=services.database_url, seed=seed)
        levels[level] = levels[level].plus(done)
    with console.status(f"{name}: inexact"):
        cell = Cell(name, 4, "inexact", 0, tokens, size)
        refilled = cells.inexact(cell, folder=folder / "inexact", generations=8 if quick else 48)
    with console.status(f"{name}: cost"):
        costs = measured(name, folder / "cost", services, quick=quick)
    both = levels["kv"].plus(levels["rerun"])
    return {
        "interruptions": both.total,
        "token_identical": both.identical,
        "generations": both.generations,
        "kills": both.kills,
        "kv": levels["kv"].to_json(),
        "rerun": levels["rerun"].to_json(),
        "inexact": refilled.to_json(),
        "snapshot": _snapshot(refilled),
        "cost_by_slice_tokens": {str(cost.slice): cost.to_json() for cost in costs},
        "best_slice_tokens": _best(costs),
    }


def _best(costs: Sequence[Cost]) -> int:
    """The shortest slice that costs one per cent at most when its slot is given up at every end; else the cheapest."""
    cheap = [cost.slice for cost in costs if cost.share <= _AFFORDABLE]
    return min(cheap) if cheap else min(costs, key=lambda cost: cost.share).slice


def _snapshot(found: Found) -> JsonObject:
    """Size and time of the greatest state that was saved."""
    tokens, size, seconds = max(found.states)
    return {
        "tokens": tokens,
        "bytes": size,
        "bytes_per_token": round(size / tokens),
        "save_ms": round(1000 * seconds, 2),
    }


def show(found: JsonObject) -> None:
    """The figures as tables."""
    table = Table("engine", "level", "generations", "identical", "interruptions", "of them kills", "computed twice")
    for name in (name for name in _LENGTHS if name in found):
        for level in ("kv", "rerun", "inexact"):
            row = found[name][level]
            cells_ = (row["generations"], f"{row['share_identical']:.1%}", row["interruptions"], row["kills"])
            table.add_row(name, level, *(str(value) for value in cells_), f"{row['share_computed_twice']:.1%}")
    costs = Table(
        "engine", "slice, tokens", "boundary, ms", "switch, ms", "cost of a slice's end", "cost if pre-empted there"
    )
    for name in (name for name in _LENGTHS if name in found):
        for size, cost in found[name]["cost_by_slice_tokens"].items():
            shares = (f"{cost['share_kept']:.2%}", f"{cost['share_pre_empted']:.2%}")
            costs.add_row(name, size, str(cost["boundary_ms"]), str(cost["switch_ms"]), *shares)
    console = Console()
    console.print(table)
    console.print(costs)


if __name__ == "__main__":
    main(sys.argv[1:])
