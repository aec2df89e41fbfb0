"""The findings of `aios bench memory` as tables, for terminals and for the documentation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks import origin
from benchmarks.replacement import POLICIES
from benchmarks.simulation.tables import Table, markdown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aios.kernel.values import JsonObject

MARKS: Final = ("<!-- memory: begin -->", "<!-- memory: end -->")


def page(found: JsonObject) -> str:
    """What the documentation carries."""
    kept = "every bound holds" if not found["breaches"] else f"**bounds missed: {'; '.join(found['breaches'])}**"
    return f"{origin.line(found['run'])} {kept[0].upper()}{kept[1:]}.\n\n{markdown(tables(found))}"


def tables(found: JsonObject) -> Iterator[Table]:
    """All of them."""
    yield _ratios(found)
    yield _tiers(found["tiers"])
    yield _search(found["search"])
    yield _index(found["search"])


def _ratios(found: JsonObject) -> Table:
    shape = found["shape"]
    title = (
        f"Hit ratio (E6): {shape['accesses']} accesses to {shape['pages']} pages, {shape['capacity']} held, "
        f"mean of {found['seeds']} seeds"
    )
    rows = [
        (name, *(f"{row[policy]:.3f}" for policy in POLICIES), f"{row['LRU-2'] / row['Belady']:.0%}")
        for name, row in found["hit_ratios"].items()
    ]
    return Table(title, ("trace", *POLICIES, "LRU-2 of what is possible"), rows)


def _tiers(found: JsonObject) -> Table:
    title = (
        f"Reads of blocks of {found['block_bytes']} bytes, scan-polluted, under a quota of {found['quota_bytes']} bytes"
    )
    columns = ("copies", "hit ratio", "evicted", "most bytes held", "read p50 ms", "p99 ms")
    rows = []
    for name in ("LRU-2", "LRU", "no cache"):
        row = found[name]
        cells = (row["hit_ratio"], row["evicted"], row["most_bytes"], row["read_ms"]["p50"], row["read_ms"]["p99"])
        rows.append((name, *map(str, cells)))
    return Table(title, columns, rows)


def _search(found: JsonObject) -> Table:
    columns = ("where", "notes", "recall@10", "p50 ms", "p95 ms", "p99 ms", "meaning alone, p95 ms")
    rows = []
    for name, scope in found["scopes"].items():
        times, meaning = scope["search_ms"], scope.get("by_meaning_ms", {"p95": "-"})
        cells = (
            scope["notes"],
            scope.get("recall_at_10", "-"),
            times["p50"],
            times["p95"],
            times["p99"],
            meaning["p95"],
        )
        rows.append((name, *map(str, cells)))
    return Table(f"Search, words and meaning fused, among {found['notes']} notes", columns, rows)


def _index(found: JsonObject) -> Table:
    about = {**found["index"], "load and build, s": found["load_seconds"]}
    return Table("The index by meaning (HNSW)", ("what", ""), [(name, str(value)) for name, value in about.items()])
