"""The findings of `aios bench switch` as tables, for terminals and for the documentation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks import origin
from benchmarks.simulation.tables import Table, markdown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aios.kernel.values import JsonObject

MARKS: Final = ("<!-- switch: begin -->", "<!-- switch: end -->")
LEVELS: Final = ("kv", "rerun", "inexact")


def page(found: JsonObject) -> str:
    """What the documentation carries."""
    return f"{origin.line(found['run'])}\n\n{markdown(tables(found))}"


def tables(found: JsonObject) -> Iterator[Table]:
    """All of them."""
    yield _levels(found)
    yield _costs(found)
    yield _snapshots(found)


def _levels(found: JsonObject) -> Table:
    title = f"Interrupted generations (E4): {found['interruptions']} interruptions, {found['kills']} of them by SIGKILL"
    columns = (
        "engine", "level", "generations", "token-identical", "interruptions",
        "at a slice's end", "anywhere", "worker killed", "engine killed", "computed twice",
    )  # fmt: skip
    return Table(title, columns, [_level(name, level, row[level]) for name, row in _engines(found) for level in LEVELS])


def _level(name: str, level: str, row: JsonObject) -> tuple[str, ...]:
    kinds = ("preempted", "cut", "killed_worker", "killed_engine")
    counts = (row["interruptions"], *(row["by_kind"].get(kind, "") for kind in kinds))
    twice = "" if level == "inexact" else f"{row['share_computed_twice']:.1%}"
    return (name, level, str(row["generations"]), f"{row['share_identical']:.1%}", *map(str, counts), twice)


def _costs(found: JsonObject) -> Table:
    title = "What the end of a slice costs (E5): kept in its slot, and pre-empted there"
    columns = (
        "engine",
        "slice, tokens",
        "a token, ms",
        "kept, ms",
        "kept, share",
        "pre-empted, ms",
        "pre-empted, share",
    )
    rows = []
    for name, row in _engines(found):
        for size, cost in row["cost_by_slice_tokens"].items():
            shares = (f"{cost['share_kept']:.2%}", f"{cost['share_pre_empted']:.2%}")
            times = (f"{cost['boundary_ms']:.1f}", shares[0], f"{cost['switch_ms']:.1f}", shares[1])
            best = " (best)" if int(size) == row["best_slice_tokens"] else ""
            rows.append((name, f"{size}{best}", f"{cost['token_ms']:.1f}", *times))
    return Table(title, columns, rows)


def _snapshots(found: JsonObject) -> Table:
    columns = ("engine", "tokens", "KB", "bytes per token", "saved in, ms")
    rows = [
        (
            name,
            str(shot["tokens"]),
            f"{shot['bytes'] / 1000:.0f}",
            str(shot["bytes_per_token"]),
            f"{shot['save_ms']:.1f}",
        )
        for name, shot in ((name, row["snapshot"]) for name, row in _engines(found))
    ]
    return Table("The greatest state that was saved", columns, rows)


def _engines(found: JsonObject) -> Iterator[tuple[str, JsonObject]]:
    return ((name, found[name]) for name in ("simulated", "llama") if name in found)
