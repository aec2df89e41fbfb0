"""E8, the access manager: right decisions while rules change, every irreversible operation asked, the audit log whole.

The decisions are compared with a naive model; agents that are denied lose their worker to SIGKILL, and afterwards every
denial of the journal must be in the audit log, once; agents that wait for a human are put beside agents that call a model on
four slots, in the order without, with, with, without. Anything wrong ends it with exit code 1.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from aios.db.session import Database
from benchmarks.fleet import Fleet
from benchmarks.guarded import decisions, fleets

if TYPE_CHECKING:
    from collections.abc import Sequence

_SLOTS = 4
_MOST_SLOWDOWN_PERCENT = 10.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="aios bench access", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="half a minute instead of a few")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--seed", type=int, default=8, help="of everything that is random")
    options = parser.parse_args(arguments)
    with Console(stderr=True, quiet=options.json).status("deciding") as status:
        found = measure(quick=options.quick, seed=options.seed, tell=status.update)
    wrong = breaches(found)
    found["breaches"] = wrong
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        _show(found)
    return 1 if wrong else 0


def measure(*, quick: bool, seed: int, tell: object = None) -> dict[str, object]:
    """All parts on one system."""
    say = tell if callable(tell) else (lambda _text: None)
    folder = Path(tempfile.mkdtemp(prefix="aios-access-"))
    engine = ("--slots", str(_SLOTS), "--step-ms", "2", "--answer-tokens", "16")
    with Fleet(folder, slots=_SLOTS, engine=engine) as fleet:
        database = Database(fleet.settings.database_url)
        found: dict[str, object] = {
            **decisions.decide(fleet.client, database, triples=2_000 if quick else 10_000, seed=seed),
            **decisions.irreversible(database, each=20 if quick else 200),
        }
        say("killing the worker of agents that are denied")
        found |= fleets.denials(fleet, agents=20 if quick else 100, kills=2 if quick else 8, seed=seed)
        say("waiting for humans")
        found |= fleets.waiting(fleet, waiting=200 if quick else 1_000, agents=40 if quick else 150)
        found["most_slowdown_percent"] = _MOST_SLOWDOWN_PERCENT * (3 if quick else 1)  # seconds of work tell no more
        verified = fleet.client.verify_audit()
        found |= {"audit_rows": verified.rows, "audit_good": verified.good}
        database.close()
    return found


def breaches(found: dict[str, object]) -> list[str]:
    """What must never be: each as a line."""
    zero = ("false_allow", "false_deny", "unasked", "denials_lost", "denials_twice")
    wrong = [f"{name} = {found[name]}" for name in zero if found[name]]
    if not found["audit_good"]:
        wrong.append("the audit log does not fit its chain")
    if float(str(found["slowdown_percent"])) >= float(str(found["most_slowdown_percent"])):
        wrong.append(f"those that do not wait are slower by {found['slowdown_percent']} %")
    if float(str(found["decision_p99_ms"])) >= 1.0:
        wrong.append(f"decision p99 = {found['decision_p99_ms']} ms")
    return wrong


def _show(found: dict[str, object]) -> None:
    table = Table(title="E8: access")
    table.add_column("what")
    table.add_column("measured", justify="right")
    for name, value in found.items():
        if not isinstance(value, dict):
            table.add_row(name.replace("_", " "), str(value))
    Console().print(table)


if __name__ == "__main__":
    raise SystemExit(main())
