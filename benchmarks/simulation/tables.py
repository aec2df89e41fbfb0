"""The findings as tables: on a terminal, and as the Markdown that the documentation carries."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console
from rich.table import Table as Screen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from benchmarks.simulation.findings import Findings

_FLOW = ("strategy", "mean flow s", "FIFO's over it", "p90 flow s", "FIFO's over it")
_NARROWEST = 120
BEGIN, END = "<!-- policies: begin -->", "<!-- policies: end -->"


class Table(NamedTuple):
    """A title, column names and rows of cells."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def tables(found: Findings) -> Iterator[Table]:
    """All tables of a run."""
    yield _flows(found)
    yield _tails(found)
    yield _targets(found)
    yield _frontier(found)
    for shape, speed in dict.fromkeys((row["shape"], row["speed"]) for row in found["closed"]):
        yield from _batch(found, shape, speed)
    yield _curve(found)


def show(made: Iterable[Table]) -> None:
    """Print tables."""
    console = Console()
    console.width = max(console.width, _NARROWEST)
    for table in made:
        screen = Screen(*table.columns, title=table.title, title_justify="left")
        for row in table.rows:
            screen.add_row(*row)
        console.print(screen)


def write_markdown(found: Findings, page: Path) -> None:
    """Put the tables between the page's two marks, in place of those that were there."""
    between(page, (BEGIN, END), f"{_origin(found)}\n\n{markdown(tables(found))}")


def between(page: Path, marks: tuple[str, str], body: str) -> None:
    """Put a text between two marks of a page, in place of the one that was there.

    Raises:
        LookupError: the page has no such marks.
    """
    begin, end = marks
    text = page.read_text()
    if begin not in text or end not in text:
        raise LookupError(f"{page} has no marks {begin} and {end}")
    head, _, rest = text.partition(begin)
    page.write_text(f"{head}{begin}\n\n{body}\n{end}{rest.partition(end)[2]}")


def markdown(made: Iterable[Table]) -> str:
    """Tables for a page."""
    return "\n".join(_markdown(table) for table in made)


def _origin(found: Findings) -> str:
    run = found["run"]
    state = "every run passed E0" if found["valid"] else "**void: a run broke a rule of E0**"
    return (
        f"{found['runs']} runs in virtual time, {state}. Commit {run['commit']}, {run['python']}, `{run['command']}`."
    )


def _markdown(table: Table) -> str:
    lines = [f"### {table.title}", "", _line(table.columns), _line(["---"] * len(table.columns))]
    return "\n".join([*lines, *(_line(row) for row in table.rows), ""])


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _flows(found: Findings) -> Table:
    seeds = found["policies"]["fifo"]["seeds"]
    title = f"Open arrivals, rho {found['run']['rho']}, heavy tail, {seeds} seeds: flow time, and FIFO's over it"
    return Table(title, _FLOW, [_flow(name, row) for name, row in found["policies"].items()])


def _tails(found: Findings) -> Table:
    columns = ("strategy", "p99 wait s", "over FIFO's", "stated bound s", "tasks/s", "over FIFO's")
    rows = [
        (
            name,
            *(f"{row['p99_wait_s']:.2f}", ratio_cell(row["ratio_to_fifo"]["p99_wait_s"])),
            "-" if row["bound_s"] is None else f"{row['bound_s']:.0f}",
            *(f"{row['throughput']:.3f}", ratio_cell(row["ratio_to_fifo"]["throughput"])),
        )
        for name, row in found["policies"].items()
    ]
    return Table("The same runs: waits of single calls, and throughput", columns, rows)


def _targets(found: Findings) -> Table:
    rows = [
        (row["target"], row["wanted"], ratio_cell(row), "yes" if row["met"] else "NO", "yes" if row["sure"] else "no")
        for row in found["targets"]
    ]
    return Table("Targets, as they came out", ("target", "wanted", "found", "met", "by its whole interval"), rows)


def _frontier(found: Findings) -> Table:
    columns = ("ageing", *_FLOW[1:], "p99 wait s", "over FIFO's")
    rows = [
        (
            *_flow(f"{row['ageing']:g}", row),
            *(f"{row['p99_wait_s']:.2f}", ratio_cell(row["ratio_to_fifo"]["p99_wait_s"])),
        )
        for row in found["frontier"]
    ]
    return Table(f"`las` over its ageing, {found['frontier'][0]['seeds']} seeds", columns, rows)


def _flow(name: str, row: Findings) -> tuple[str, ...]:
    return (
        name,
        *(f"{row['mean_flow_s']:.2f}", ratio_cell(row["fifo_over_it"]["mean_flow_s"])),
        *(f"{row['p90_flow_s']:.2f}", ratio_cell(row["fifo_over_it"]["p90_flow_s"])),
    )


def _batch(found: Findings, shape: str, speed: str) -> Iterator[Table]:
    rows = [row for row in found["closed"] if (row["shape"], row["speed"]) == (shape, speed)]
    title = f"Closed batch (E1), shape {shape}, speed {speed}, {rows[0]['seeds']} seeds"
    columns = ("strategy", "total s", "B1's over it", "B2's over it", "B3's over it", "failed loads")
    yield Table(f"{title}: total time", columns, [_total(row) for row in rows])
    waits = ("strategy", "first wait s", "call wait s", "agent wait s", "flow s", "calls/s", "tasks/s", "Jain")
    yield Table(f"{title}: means / p90 (/ p99)", waits, [_waits(row) for row in rows if "total_s" in row])


def _total(row: Findings) -> tuple[str, ...]:
    if "total_s" not in row:
        return (row["strategy"], "did not end", *["-"] * 4)
    others = (ratio_cell(row.get(f"total_{other}_over_it")) for other in ("b1", "b2", "b3"))
    return (row["strategy"], f"{row['total_s']:.0f}", *others, f"{row['failed_loads']:.0f}")


def _waits(row: Findings) -> tuple[str, ...]:
    return (
        row["strategy"],
        f"{row['mean_first_wait_s']:.1f} / {row['p90_first_wait_s']:.1f}",
        f"{row['mean_wait_s']:.1f} / {row['p90_wait_s']:.1f} / {row['p99_wait_s']:.1f}",
        f"{row['mean_agent_wait_s']:.0f}",
        f"{row['mean_flow_s']:.0f} / {row['p90_flow_s']:.0f}",
        *(f"{row['calls_per_s']:.2f}", f"{row['throughput']:.3f}", f"{row['jain']:.2f}"),
    )


def _curve(found: Findings) -> Table:
    rows = [
        (
            f"{row['failed_load_ms']:g}",
            ratio_cell(row.get("total_over_fifo")),
            str(row.get("failed_loads", "-")),
            f"{row['gave_up']} of {row['seeds']}",
        )
        for row in found["trial_curve"]
    ]
    columns = ("failed load ms", "total time over FIFO's", "failed loads", "runs given up")
    trial = found["run"]["parameters"]["trial"]
    title = (
        f"B1 by the cost of a failed load; back-off {trial['backoff_seconds']:g} s, doubled up to"
        f" {trial['backoff_cap_seconds']:g} s. Its ratio is a property of this baseline, not of a kernel"
    )
    return Table(title, columns, rows)


def ratio_cell(value: Findings | None) -> str:
    """A ratio and its interval in a cell; none: a dash."""
    if value is None:
        return "-"
    low, high = value["interval_95"]
    return f"{value['ratio']:.2f} ({low:.2f}-{high:.2f})"
