"""The findings of `aios bench storage` as tables, for terminals and for the documentation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks import origin
from benchmarks.simulation.tables import Table, markdown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aios.kernel.values import JsonObject

MARKS: Final = ("<!-- storage: begin -->", "<!-- storage: end -->")


def page(found: JsonObject) -> str:
    """What the documentation carries."""
    return f"{origin.line(found['run'])}\n\n{markdown(tables(found))}"


def tables(found: JsonObject) -> Iterator[Table]:
    """All of them."""
    yield _versions(found["versions"])
    yield _rollbacks(found["rollback"])
    yield _search(found["search"])


def _versions(found: JsonObject) -> Table:
    columns = ("versions", "seconds", "per second", "workers killed", "wrong", "lost", "doubled")
    cells = _cells(found, ("written", "seconds", "per_second", "kills", "wrong", "lost", "doubled"))
    return Table("Versions written by eight agents under SIGKILL (E11)", columns, [cells])


def _rollbacks(found: JsonObject) -> Table:
    rows = [(f"by {way}", *_cells(row, ("tried", "wrong"))) for way, row in found.items()]
    return Table("Rollbacks of the shared file", ("how", "tried", "wrong"), rows)


def _search(found: JsonObject) -> Table:
    title = f"Search in {found['documents']} documents, written and indexed in {found['index_seconds']} s, beside grep"
    columns = ("way", "words of the question", "questions", "recall@10", "F1", "ms")
    names = ("way", "words", "questions", "recall_at_10", "f1", "ms")
    return Table(title, columns, [_cells(row, names) for row in found["ways"]])


def _cells(row: JsonObject, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(str(row[name]) for name in names)
