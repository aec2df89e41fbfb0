"""The findings of `aios bench routing` as tables, for terminals and for the documentation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks import origin
from benchmarks.simulation.tables import Table, markdown, ratio_cell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aios.kernel.values import JsonObject

MARKS: Final = ("<!-- routing: begin -->", "<!-- routing: end -->")


def page(found: JsonObject) -> str:
    """What the documentation carries."""
    kept = "No router beat the bound." if not found["breaches"] else "**Void: a router beat the bound.**"
    return f"{origin.line(found['run'])} {kept}\n\n{markdown(tables(found))}"


def tables(found: JsonObject) -> Iterator[Table]:
    """All of them."""
    yield _targets(found)
    for cell in found["cells"]:
        yield _routers(cell, found["wanted_quality"])
    yield _models(found)


def _targets(found: JsonObject) -> Table:
    rows = [
        (
            row["target"],
            row["wanted"],
            _precise(row) if "ratio" in row else f"{row['value']:.3f}",
            "yes" if row["met"] else "NO",
            *_later(row),
        )
        for row in found["targets"]
    ]
    columns = ("target", "wanted", "found", "met", "after the first tenth", "met")
    return Table("Targets of routing (E12), as they came out", columns, rows)


def _later(row: JsonObject) -> tuple[str, str]:
    if "after_the_first_tenth" not in row:
        return "-", "-"
    return _precise(row["after_the_first_tenth"]), "yes" if row["met_after_the_first_tenth"] else "NO"


def _routers(cell: JsonObject, wanted: float) -> Table:
    title = (
        f"Slots {cell['slots']}, qualities {cell['knowledge']}, {cell['seeds']} seeds: "
        f"the least cost of a mean quality of {wanted:g}"
    )
    columns = (
        "router",
        "cost",
        "over the optimum's",
        "quality, as told",
        "right in truth",
        "cost over ours",
        "wait s",
        "CPU us",
    )
    rows = [("optimum", f"{cell['optimum_cost']:.0f}", "1", f"{wanted:.3f}", "-", "-", "-", "-")]
    for name, row in cell["routers"].items():
        cost, over = f"{row['cost']:.0f}", _precise(row["cost_over_optimum"])
        qualities = (f"{row['quality']:.3f}", f"{row['right']:.3f}")
        times = (f"{row['waited_seconds']:.2f}", f"{row['decision_p50_us']:.0f}")
        rows.append((name, cost, over, *qualities, ratio_cell(row["cost_over_ours"]), *times))
    return Table(title, columns, rows)


def _models(found: JsonObject) -> Table:
    columns = ("model", "cost of 1,000 tokens asked", "answered", "quality, as declared", "slots", "tokens/s")
    rows = [
        (
            row["name"],
            *(f"{row[name]:g}" for name in ("cost_prompt", "cost_completion", "quality", "slots", "tokens_per_second")),
        )
        for row in found["models"]
    ]
    return Table("The six virtual models", columns, rows)


def _precise(value: JsonObject) -> str:
    low, high = value["interval_95"]
    return f"{value['ratio']:.3f} ({low:.3f}-{high:.3f})"
