"""`agent.memory`: what an agent remembers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aios.kernel.request import Request, nothing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aios.kernel.values import JsonObject


@dataclass(frozen=True)
class Note:
    """A memory that was found: cosine and text ranks fused into `score`, larger is nearer."""

    id: str
    content: str
    tags: tuple[str, ...] = ()
    metadata: JsonObject | None = None
    score: float = 0.0


class Memory:
    """`agent.memory`: what the agent remembers."""

    def add(self, content: str, *, tags: Sequence[str] = (), metadata: JsonObject | None = None) -> Request[str]:
        """Remember a text; gives its id."""
        args = {"content": content, "tags": list(tags), "metadata": metadata or {}}
        return Request("memory", "add", args, decode=lambda results: str(results[-1]["id"]))

    def get(self, id: str) -> Request[Note]:  # the field's name
        """One memory by id."""
        return Request("memory", "get", {"id": id}, decode=lambda results: _note(results[-1]))

    def search(self, query: str, *, k: int = 5, tags: Sequence[str] = ()) -> Request[list[Note]]:
        """The k memories nearest in meaning and words, best first."""
        args = {"query": query, "k": k, "tags": list(tags)}
        return Request("memory", "search", args, decode=lambda results: [_note(n) for n in results[-1]])

    def update(
        self,
        id: str,
        *,
        content: str | None = None,
        tags: Sequence[str] | None = None,
        metadata: JsonObject | None = None,
    ) -> Request[None]:
        """Change what is given; leave what is None."""
        args = {"id": id, "content": content, "tags": None if tags is None else list(tags), "metadata": metadata}
        return Request("memory", "update", args, decode=nothing)

    def remove(self, id: str) -> Request[None]:
        """Forget one memory."""
        return Request("memory", "remove", {"id": id}, decode=nothing)


def _note(value: JsonObject) -> Note:
    return Note(**{**value, "tags": tuple(value.get("tags", ()))})
