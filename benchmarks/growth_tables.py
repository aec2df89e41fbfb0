"""Growth of the real kernel (E3) as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks import origin
from benchmarks.simulation import tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.simulation.findings import Findings

MARKS: Final = ("<!-- growth: begin -->", "<!-- growth: end -->")
_MOST_GROWN, _MOST_BYTES = 1.1, 50_000


def page(found: Findings) -> str:
    """The tables for a page, with where they come from."""
    kept = "[growth.csv](rows/growth.csv), [growth.json](rows/growth.json)"
    return f"{origin.line(found['run'])} Rows: {kept}.\n\n{tables.markdown(tables_of(found))}"


def tables_of(found: Findings) -> Iterator[tables.Table]:
    """All tables of a run."""
    columns = (
        *("agents", "wall s", "wall ms per agent", "CPU ms per agent", "syscalls/s"),
        *("mean wait s", "p90 wait s", "memory MB"),
    )
    rows = [
        (
            *(f"{row['agents']:,}", f"{row['wall_s']:.1f}", f"{row['wall_ms_per_agent']:.1f}"),
            *(f"{row['cpu_ms_per_agent']:.1f}", f"{row['syscalls_per_s']:.0f}"),
            *(f"{row['mean_wait_s']:.1f}", f"{row['p90_wait_s']:.1f}", f"{row['memory_mb']:.0f}"),
        )
        for row in found["sizes"]
    ]
    title = f"Growth of the real kernel (E3), profile `{found['profile']}`, in the order of the runs"
    yield tables.Table(title, columns, rows)
    yield _targets(found)
    yield _memory(found)


def _targets(found: Findings) -> tables.Table:
    ratios, taken = found["most_over_fewest"], found["bytes_per_waiting_agent"]
    rows = [
        (
            f"{what}, most agents over fewest",
            f"<= {_MOST_GROWN}",
            f"{ratios[name]:.2f}",
            _met(ratios[name], _MOST_GROWN),
        )
        for name, what in (("wall_ms_per_agent", "wall time per agent"), ("cpu_ms_per_agent", "CPU per agent"))
    ]
    limit = f"< {_MOST_BYTES // 1000} KB"
    rows.append(("memory per waiting agent", limit, f"{taken / 1000:.1f} KB", _met(taken, _MOST_BYTES)))
    return tables.Table("Targets of E3, as they came out", ("target", "wanted", "found", "met"), rows)


def _met(figure: float, most: float) -> str:
    return "yes" if figure <= most else "NO"


def _memory(found: Findings) -> tables.Table:
    less, more = found["waiting"]
    rows = [
        (name, *(f"{part['bytes'][name] / 1e6:.1f}" for part in (less, more)), f"{used / 1000:.1f}")
        for name, used in found["bytes_per_waiting_agent_by_part"].items()
    ]
    columns = ("part", f"MB with {less['agents']:,} waiting", f"MB with {more['agents']:,}", "KB per agent")
    return tables.Table("What a waiting agent takes (PSS; of Valkey its data)", columns, rows)
