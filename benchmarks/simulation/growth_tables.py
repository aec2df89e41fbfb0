"""E2 and E3 as tables and pictures."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from benchmarks.simulation.tables import Table, ratio_cell

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from benchmarks.simulation.findings import Findings

MARKS = ("<!-- scale: begin -->", "<!-- scale: end -->")


def tables(found: Findings) -> Iterator[Table]:
    """All tables."""
    yield _batching(found)
    yield _growth(found)
    yield _lines(found)


def _batching(found: Findings) -> Table:
    columns = (
        "slots",
        "strategy",
        "total s",
        "B3's over it",
        "mean wait s",
        "p90 wait s",
        "mean flow s",
        "B3's over it",
    )
    rows = []
    for row in found["batching"]:
        if not row["ended"]:
            rows.append((str(row["slots"]), row["strategy"], "did not end", *["-"] * 5))
            continue
        rows.append(
            (
                *(str(row["slots"]), row["strategy"], f"{row['total_s']:.0f}", ratio_cell(row.get("b3_total_over_it"))),
                *(f"{row['mean_wait_s']:.1f}", f"{row['p90_wait_s']:.1f}", f"{row['mean_flow_s']:.0f}"),
                ratio_cell(row.get("b3_flow_over_it")),
            )
        )
    return Table("Batching (E2): a closed batch of 164 agents on a core with 1, 4 and 8 slots", columns, rows)


def _growth(found: Findings) -> Table:
    columns = ("at once", "strategy", "agents", "total s", "mean wait s", "p90 wait s", "mean flow s", "CPU us a call")
    rows = [
        (
            *("all" if row["at_once"] == row["agents"] else str(row["at_once"]), row["strategy"], f"{row['agents']:,}"),
            *(f"{row['total_s']:.0f}", f"{row['mean_wait_s']:.1f}", f"{row['p90_wait_s']:.1f}"),
            *(f"{row['mean_flow_s']:.0f}", f"{row['cpu_us_per_call']:.0f}"),
        )
        if "total_s" in row
        else (str(row["at_once"]), row["strategy"], f"{row['agents']:,}", "did not end", *["-"] * 4)
        for row in found["growth"]
    ]
    return Table("Growth (E3): closed batches on one slot, one seed", columns, rows)


def _lines(found: Findings) -> Table:
    columns = ("strategy", "at once", "R squared of a line", "s per agent", "CPU a call, most agents over fewest")
    rows = [
        (
            *(row["strategy"], str(row["at_once"]), f"{row['r_squared']:.5f}"),
            *(f"{row['seconds_per_agent']:.3f}", f"{row['cpu_last_over_first']:.2f}"),
        )
        for row in found["lines"]
    ]
    return Table("Is total time a straight line over the agents?", columns, rows)


def draw(found: Findings, waits: Mapping[str, Sequence[float]], folder: Path) -> list[Path]:
    """Write the pictures; none without matplotlib."""
    if find_spec("matplotlib") is None:
        return []
    import matplotlib as mpl

    mpl.use("Agg")
    return [_scaling(found, folder / "scale-total.png"), _distribution(waits, folder / "scale-waits.png")]


def _scaling(found: Findings, path: Path) -> Path:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    rows = [row for row in found["growth"] if "total_s" in row and row["at_once"] == 250]
    for strategy in dict.fromkeys(row["strategy"] for row in rows):
        mine = sorted((row["agents"], row["total_s"]) for row in rows if row["strategy"] == strategy)
        axes.plot([n for n, _ in mine], [total for _, total in mine], marker="o", label=strategy)
    axes.set(title="Growth: total time, 250 agents at once", xlabel="agents", ylabel="virtual seconds")
    axes.legend()
    figure.savefig(path)
    return path


def _distribution(waits: Mapping[str, Sequence[float]], path: Path) -> Path:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    for strategy, quantiles in waits.items():
        shares = [place / (len(quantiles) - 1) for place in range(len(quantiles))]
        axes.plot([max(quantile, 0.01) for quantile in quantiles], shares, label=strategy)
    axes.set(
        title="Waits of single calls: 164 agents at once, 4 slots, one seed",
        xlabel="virtual seconds (0.01: none)",
        ylabel="share of calls that waited no longer",
        xscale="log",
    )
    axes.legend()
    figure.savefig(path)
    return path
