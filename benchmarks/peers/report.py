"""What was found, as tables: one row for each contender, and whether this kernel is ahead."""

from __future__ import annotations

import statistics
from itertools import product
from typing import TYPE_CHECKING

from benchmarks.peers.measure import OPERATIONS
from benchmarks.simulation.tables import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benchmarks.peers.measure import Cell
    from benchmarks.simulation.findings import Findings

MARKS = "<!-- peers: begin -->", "<!-- peers: end -->"
TARGETS = {
    "fused": ("celery", "langgraph-asyncio", "langgraph-threads", "dbos", "procrastinate"),
    "pools": ("celery",),
}
"""Whom each profile should be ahead of."""


def findings(rows: Sequence[Cell], titles: Mapping[str, str]) -> Findings:
    """Means over the passes, by contender; what could not be measured; and the targets' ratios."""
    contenders = {name: _contender(name, title, rows) for name, title in titles.items()}
    return {
        "operations_per_agent": OPERATIONS,
        "contenders": contenders,
        "ahead": list(_ahead(contenders)),
        "missing": {str(row["contender"]): row["why"] for row in rows if row["cell"] == "missing"},
    }


def _ahead(contenders: Findings) -> Iterator[Findings]:
    """This kernel over each durable peer in the same cell: `speed` should be above 1, `cpu` below."""
    for ours, peers in TARGETS.items():
        for peer in peers:
            for own, other in product(_loads(contenders, ours), _loads(contenders, peer)):
                if (own["agents"], own["workers"]) == (other["agents"], other["workers"]):
                    yield {
                        "ours": ours,
                        "peer": peer,
                        "agents": own["agents"],
                        "workers": own["workers"],
                        "speed": round(own["operations_per_second"] / other["operations_per_second"], 2),
                        "cpu": round(own["cpu_ms_per_operation"] / other["cpu_ms_per_operation"], 2),
                    }


def _loads(contenders: Findings, name: str) -> Sequence[Findings]:
    loads: Sequence[Findings] = contenders[name]["load"] if name in contenders else ()
    return loads


def _contender(name: str, title: str, rows: Sequence[Cell]) -> Findings:
    own = [row for row in rows if row["contender"] == name]
    loads = [row for row in own if row["cell"] == "load"]
    keys = sorted({(int(str(row["agents"])), int(str(row["workers"]))) for row in loads})
    return {
        "title": title,
        "idle_ms_per_operation": _mean(own, "idle", "ms_per_operation"),
        "load": [
            {"agents": agents, "workers": workers}
            | {
                figure: _mean(loads, "load", figure, agents=agents, workers=workers)
                for figure in loads[0]
                if figure not in {"contender", "pass", "cell", "agents", "workers"}
            }
            for agents, workers in keys
        ],
        "recovery": [row for row in own if row["cell"] == "recovery"],
    }


def _mean(rows: Sequence[Cell], cell: str, figure: str, **where: int) -> float | None:
    values = [
        float(str(row[figure]))
        for row in rows
        if row["cell"] == cell and all(row[name] == value for name, value in where.items())
    ]
    return round(statistics.mean(values), 2) if values else None


def tables(found: Findings) -> Iterator[Table]:
    """All tables of a run."""
    yield _speeds(found)
    yield _costs(found)
    if found["ahead"]:
        yield _targets(found)
    if any(one["recovery"] for one in found["contenders"].values()):
        yield _recoveries(found)
    if found["missing"]:
        missing = [(found["contenders"][name]["title"], str(why)) for name, why in found["missing"].items()]
        yield Table("Not measured", ("contender", "why"), missing)


def _speeds(found: Findings) -> Table:
    keys = _keys(found)
    columns = tuple(f"{agents} agents, {workers} worker{'s' * (workers > 1)}" for agents, workers in keys)
    rows = [
        (one["title"], *(_at(one, key, "operations_per_second") for key in keys), _text(one["idle_ms_per_operation"]))
        for one in found["contenders"].values()
        if one["load"]
    ]
    return Table("Operations a second, and ms of one alone", ("contender", *columns, "ms alone"), rows)


def _costs(found: Findings) -> Table:
    largest = (_keys(found) or [(0, 0)])[-1]
    figures = ("cpu_ms_per_operation", "cpu_ms_workers", "cpu_ms_postgres", "cpu_ms_valkey", "postgres_bytes_per_agent")
    rows = [
        (one["title"], *(_at(one, largest, figure) for figure in figures))
        for one in found["contenders"].values()
        if one["load"]
    ]
    title = f"CPU ms of an operation, and bytes of tables of an agent ({largest[0]} agents, workers: {largest[1]})"
    return Table(title, ("contender", "CPU", "workers", "Postgres", "Valkey", "bytes"), rows)


def _targets(found: Findings) -> Table:
    titles = {name: one["title"] for name, one in found["contenders"].items()}
    rows = [
        (
            *(titles[ahead["ours"]], titles[ahead["peer"]], f"{ahead['agents']}", f"{ahead['workers']}"),
            *(_text(ahead["speed"]), _text(ahead["cpu"]), "yes" if ahead["speed"] > 1 and ahead["cpu"] < 1 else "no"),
        )
        for ahead in found["ahead"]
    ]
    columns = (
        "ours",
        "peer",
        "agents",
        "workers",
        "its operations a second over the peer's",
        "its CPU",
        "ahead in both",
    )
    return Table("Targets", columns, rows)


def _recoveries(found: Findings) -> Table:
    rows = [
        (
            one["title"],
            str(row["agents"]),
            "never" if row["all_done_seconds"] is None else _text(row["all_done_seconds"]),
            _text(row["restart_seconds"]),
            str(row["extra_writes"]),
        )
        for one in found["contenders"].values()
        for row in one["recovery"]
    ]
    columns = ("contender", "agents", "all done after s", "of which its start", "writes too many")
    return Table("SIGKILL of the one worker, which is started again at once", columns, rows)


def _keys(found: Findings) -> list[tuple[int, int]]:
    loads = (load for one in found["contenders"].values() for load in one["load"])
    return sorted({(load["agents"], load["workers"]) for load in loads})


def _at(one: Findings, key: tuple[int, int], figure: str) -> str:
    for load in one["load"]:
        if (load["agents"], load["workers"]) == key:
            return _text(load[figure])
    return "-"


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
