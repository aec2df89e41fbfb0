"""Whether an interrupted generation says what the uninterrupted one says (E4), and what the interruption costs (E5).

Levels: `kv` goes on from the state saved at the last slice's end; `rerun` has lost the state and begins again with the same
seeds; `inexact` evaluates the tokens so far again, as kernels that swap contexts by text do. Two interruptions in three leave
at a slice's end or are cut anywhere; the third is a SIGKILL of the worker or of the engine. Claims and checkpoints are the
kernel's own, in Postgres. Every round is a line of switch.csv as soon as it ends: with --resume a run that was cut goes on.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console

from aios.db import schema
from aios.db.session import Database
from aios.local.stack import Services
from benchmarks import origin
from benchmarks.simulation import tables
from benchmarks.switch_tables import MARKS, page
from benchmarks.switch_tables import tables as tables_of
from benchmarks.switching import cell as cells
from benchmarks.switching.cell import Cell
from benchmarks.switching.cost import Gap, costs, measured
from benchmarks.switching.record import Place, Record, snapshot, summed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aios.kernel.values import JsonObject

_LENGTHS: Final = {"simulated": (96, 16), "llama": (64, 16)}  # tokens of an answer, and of a slice
_FULL: Final = {"simulated": 1000, "llama": 200}
_QUICK: Final = {"simulated": 40, "llama": 10}
_INEXACT: Final = {"quick": 8, "full": 48}  # generations
_AFFORDABLE: Final = 0.01
_SHARES: Final = ((1, "kv", 0.2), (4, "kv", 0.4), (1, "rerun", 0.1), (4, "rerun", 0.3))
_SUMS: Final = ("interruptions", "kills", "generations")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run it."""
    options = _parser().parse_args(arguments)
    engines = ("simulated", "llama") if options.engine == "both" else (options.engine,)
    size = " --quick" if options.quick else ""
    run = origin.origin(command=f"aios bench switch{size}", clock="wall")
    console = Console(stderr=True, quiet=options.json)
    record = Record.at(options.results / "switch.csv", resume=options.resume)
    gaps = _gaps_in(options.results / "switch-costs.csv") if options.resume else []
    with tempfile.TemporaryDirectory(prefix="aios-switch-") as folder, Services(Path(folder) / "services") as services:
        database = Database(services.database_url)
        schema.upgrade(database)
        database.close()
        bench = _Bench(Path(folder), services, console, record, quick=options.quick, seed=options.seed)
        for name in engines:
            bench.interrupt(name)
            if not any(gap.engine == name for gap in gaps):
                gaps += bench.cost(name)
                _keep_gaps(gaps, options.results / "switch-costs.csv")
    found = {"run": run, **findings(record, gaps)}
    (options.results / "switch.json").write_text(json.dumps(found, indent=2) + "\n")
    if options.markdown:
        (options.markdown.parent / "rows").mkdir(exist_ok=True)
        for name in ("switch.csv", "switch-costs.csv"):
            shutil.copy(options.results / name, options.markdown.parent / "rows" / name)
        tables.between(options.markdown, MARKS, page(found))
    print(json.dumps(found, indent=2)) if options.json else tables.show(tables_of(found))
    if any(found[name][level]["share_identical"] < 1 for name in engines for level in ("kv", "rerun")):
        raise SystemExit("an interrupted generation differed from the uninterrupted one")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="aios bench switch", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute instead of a quarter of an hour")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--engine", choices=["simulated", "llama", "both"], default="both", help="which engines")
    parser.add_argument("--resume", action="store_true", help="keep the rows that are there, and do what is left")
    parser.add_argument("--seed", type=int, default=1, help="other prompts, other interruptions")
    parser.add_argument("--markdown", type=Path, metavar="PAGE", help="write the tables between the page's marks")
    parser.add_argument("--results", type=Path, default=origin.RESULTS, metavar="FOLDER", help="where rows go")
    return parser


@dataclass(frozen=True)
class _Bench:
    """Where it is measured, how much of it, and where the rounds are kept."""

    folder: Path
    services: Services
    console: Console
    record: Record
    quick: bool
    seed: int

    def interrupt(self, name: str) -> None:
        """E4 on one engine."""
        tokens, size = _LENGTHS[name]
        wanted = (_QUICK if self.quick else _FULL)[name]
        for busy, level, share in _SHARES:
            cell = Cell(name, busy, level, max(2, round(share * wanted)), tokens, size)
            with self.console.status(f"{name}: {level}, {busy} busy, {cell.interruptions} interruptions"):
                where, url = self.folder / name / f"{level}-{busy}", self.services.database_url
                cells.run(cell, self.record, folder=where, database_url=url, seed=self.seed)
        cell = Cell(name, 4, "inexact", _INEXACT["quick" if self.quick else "full"], tokens, size)
        with self.console.status(f"{name}: inexact"):
            cells.inexact(cell, self.record, folder=self.folder / name / "inexact")

    def cost(self, name: str) -> list[Gap]:
        """E5 on one engine."""
        with self.console.status(f"{name}: cost"):
            return measured(name, self.folder / name / "cost", self.services, quick=self.quick)


def findings(record: Record, gaps: Sequence[Gap]) -> JsonObject:
    """What the rows say, of the engines that have all of theirs."""
    found: JsonObject = {}
    for name in dict.fromkeys(gap.engine for gap in gaps):
        levels: JsonObject = {
            level: summed(one for one in record.rounds if (one.engine, one.level) == (name, level))
            for level in ("kv", "rerun", "inexact")
        }
        shares = costs([gap for gap in gaps if gap.engine == name])
        exact = summed(one for one in record.rounds if one.engine == name and one.level != "inexact")
        found[name] = {
            **{key: exact[key] for key in _SUMS},
            "token_identical": exact["identical"],
            **levels,
            "snapshot": snapshot(record.of(Place(name, 4, "inexact"))),
            "cost_by_slice_tokens": shares,
            "best_slice_tokens": _best(shares),
        }
    return {key: sum(row[key] for row in found.values()) for key in (*_SUMS, "token_identical")} | found


def _best(shares: dict[str, JsonObject]) -> int:
    """The shortest slice that costs one per cent at most when its slot is given up at every end; else the cheapest."""
    cheap = [int(size) for size, cost in shares.items() if cost["share_pre_empted"] <= _AFFORDABLE]
    return min(cheap) if cheap else int(min(shares, key=lambda size: float(shares[size]["share_pre_empted"])))


def _keep_gaps(gaps: Sequence[Gap], path: Path) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([Gap._fields, *gaps])


def _gaps_in(path: Path) -> list[Gap]:
    if not path.exists():
        return []
    with path.open(newline="") as file:
        _, *lines = csv.reader(file)
    return [Gap(e, int(s), int(n), int(p), float(gap), float(token)) for e, s, n, p, gap, token in lines]


if __name__ == "__main__":
    main(sys.argv[1:])
