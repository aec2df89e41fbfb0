"""The findings as pictures, where matplotlib is installed: total times, and the frontier over ageing."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.simulation.findings import Findings


def draw(found: Findings, folder: Path) -> list[Path]:
    """Write the pictures; none without matplotlib."""
    if find_spec("matplotlib") is None:
        return []
    import matplotlib as mpl

    mpl.use("Agg")
    return [_totals(found, folder / "policies-total.png"), _frontier(found, folder / "policies-frontier.png")]


def _totals(found: Findings, path: Path) -> Path:
    from matplotlib.figure import Figure

    rows = [
        row for row in found["closed"] if row["shape"] == "all five" and row["speed"] == "tenth" and "total_s" in row
    ]
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    axes.bar([row["strategy"] for row in rows], [row["total_s"] for row in rows])
    axes.set(title="Closed batch: total time", ylabel="virtual seconds")
    axes.tick_params(axis="x", rotation=45)
    figure.savefig(path)
    return path


def _frontier(found: Findings, path: Path) -> Path:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    rows, fifo = found["frontier"], found["policies"]["fifo"]
    axes.plot([row["p99_wait_s"] for row in rows], [row["mean_flow_s"] for row in rows], marker="o")
    for number, row in enumerate(rows):  # the lowest ageings lie close together
        where, text = (row["p99_wait_s"], row["mean_flow_s"]), (8, 10 + 12 * (len(rows) - number))
        axes.annotate(f"ageing {row['ageing']:g}", where, xytext=text, textcoords="offset points", ha="right")
    axes.plot(fifo["p99_wait_s"], fifo["mean_flow_s"], marker="s", label="fifo (all seeds)")
    axes.set(
        title="las: mean flow time against the tail", xlabel="p99 wait, virtual s", ylabel="mean flow time, virtual s"
    )
    axes.legend()
    figure.savefig(path)
    return path
