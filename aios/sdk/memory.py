"""Memory for operators: search and add notes in any namespace, look at them, and give them a new embedder's vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from aios.bootstrap.parts import Parts, embedder
from aios.errors import InvalidArgument, NotFound
from aios.kernel.ids import new_id, parse_id
from aios.memory import notes, overview, reindex
from aios.memory.namespace import check
from aios.memory.notes import Draft, Vector
from aios.memory.payloads import LONGEST_CONTENT, MOST_RESULTS
from aios.memory.search import Query, search

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from types import TracebackType

    from aios.kernel.values import JsonObject
    from aios.settings import Settings


class Memories:
    """The memory of one AIOS. No access rule is asked: who may reach its database may read all of it.

    Example:
        with Memories(settings) as memories:
            memories.add("The office is closed on Fridays.", namespace="group/staff")
    """

    def __init__(self, settings: Settings) -> None:
        self._parts = Parts(settings)
        self._embedder = embedder(settings)

    def __enter__(self) -> Self:
        """Use it in a `with`: connections are closed at the end."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        self._parts.close()

    def add(self, content: str, *, namespace: str, tags: Sequence[str] = ()) -> str:
        """Store a note; gives its id.

        Raises:
            InvalidArgument: the namespace is none, or the text is empty or too long.
        """
        if not content.strip() or len(content) > LONGEST_CONTENT:
            raise InvalidArgument("note", content[:40], f"give a text of 1 to {LONGEST_CONTENT} characters")
        note, place, vector = new_id(), check(namespace), self._vector(content)
        with self._parts.database.transaction() as tx:
            notes.add(tx, Draft(content, tags=tags), id=note, namespace=place, author=None, vector=vector)
        return str(note)

    def search(
        self,
        query: str,
        *,
        k: int = 5,
        namespaces: Sequence[str] | None = None,
        tags: Sequence[str] = (),
        category: str = "",
        after: datetime | None = None,
        before: datetime | None = None,
        threshold: float = -1.0,
    ) -> list[JsonObject]:
        """The nearest notes, of some namespaces or of all (None); a look from outside counts as no read.

        Raises:
            InvalidArgument: a namespace is none, or `k` is out of range.
        """
        if not 1 <= k <= MOST_RESULTS:
            raise InvalidArgument("k", k, f"give 1 to {MOST_RESULTS}")
        asked = Query(
            text=query,
            vector=self._vector(query),
            k=k,
            namespaces=None if namespaces is None else [check(name) for name in namespaces],
            tags=tags,
            category=category,
            after=after,
            before=before,
            threshold=threshold,
        )
        with self._parts.database.transaction() as tx:
            return search(tx, asked, count=False)

    def show(self, id: str) -> JsonObject:
        """One note with its links, reads and history.

        Raises:
            NotFound: there is none.
        """
        with self._parts.database.transaction() as tx:
            found = overview.show(tx, parse_id(id, kind="memory"))
        if found is None:
            raise NotFound("memory", id)
        return found

    def stat(self) -> JsonObject:
        """How much there is of what, and how many notes wait for a vector of the configured embedder."""
        with self._parts.database.transaction() as tx:
            return overview.stat(tx, embedder=self._embedder.name)

    def reindex(self) -> Iterator[reindex.Progress]:
        """Give every note a vector of the configured embedder, while agents go on; tells how far it is."""
        return reindex.reindex(self._parts.database, self._embedder)

    def _vector(self, text: str) -> Vector:
        (values,) = self._embedder.embed([text])
        return Vector(self._embedder.name, values)
