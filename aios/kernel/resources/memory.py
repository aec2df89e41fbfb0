"""`agent.memory`: what an agent remembers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aios.kernel.request import Request, nothing

if TYPE_CHECKING:
    import builtins
    from collections.abc import Sequence
    from datetime import datetime

    from aios.kernel.values import Json, JsonObject


@dataclass(frozen=True)
class Note:
    """A note of long-term memory.

    Attributes:
        score: of a search: cosine and text ranks fused, larger is nearer.
        similarity: of a search: cosine similarity, None where the embedders differ.
        depth: of `related`: so many links away.
        links: of `get`: ids of the notes that it is linked with.
        analysis: of `get`: what became of a model's analysis: `state` is `done`, or `plain` with the `reason`.
    """

    id: str
    content: str
    tags: tuple[str, ...] = ()
    metadata: JsonObject | None = None
    score: float = 0.0
    keywords: tuple[str, ...] = ()
    category: str = ""
    context: str = ""
    namespace: str = ""
    version: int = 1
    similarity: float | None = None
    depth: int = 0
    reads: int = 0
    links: tuple[str, ...] = ()
    analysis: JsonObject | None = None
    created_at: str = ""
    updated_at: str = ""


@dataclass(frozen=True)
class Block:
    """A block of working memory; `value` is None in a listing. `cached`: whether it is in the fast tier."""

    name: str
    version: int
    value: Json = None
    bytes: int = 0
    pinned: bool = False
    cached: bool = False
    updated_at: str = ""


class Memory:
    """`agent.memory`: what the agent remembers.

    Working memory is named blocks of JSON (`alloc`, `write`, `read`, `clear`, `list`, `stat`); the rest are notes, found by
    meaning and by words. `namespace` names somebody else's memory, such as `group/editors`, if rules allow it.
    """

    def alloc(
        self, name: str, *, bytes: int | None = None, pinned: bool | None = None, namespace: str = ""
    ) -> Request[int]:  # the paper's word
        """Make a block, or change one's room (its value may take so many bytes) and pin; gives its version.

        A pinned block never leaves the fast tier.
        """
        args = {"name": name, "bytes": bytes, "pinned": pinned}
        return Request("memory", "alloc", _placed(args, namespace), decode=_version)

    def write(self, name: str, value: Json, *, expect: int | None = None, namespace: str = "") -> Request[int]:
        """Set a block's value, making it if need be; gives its version.

        Args:
            name: of the block.
            value: any JSON.
            expect: write only over this version, 0 only if there is no such block: else `VersionConflict`.
            namespace: whose; empty: the agent's own.
        """
        args = {"name": name, "value": value, "expect": expect}
        return Request("memory", "write", _placed(args, namespace), decode=_version)

    def read(self, name: str, *, namespace: str = "") -> Request[Json]:
        """A block's value."""
        return Request("memory", "read", _placed({"name": name}, namespace), decode=lambda r: r[-1]["value"])

    def block(self, name: str, *, namespace: str = "") -> Request[Block]:
        """A block's value and version."""
        args = _placed({"name": name}, namespace)
        return Request("memory", "read", args, decode=lambda r: Block(name=name, **r[-1]))

    def clear(self, name: str | None = None, *, namespace: str = "") -> Request[int]:
        """Forget one block, or all of them; gives how many."""
        args = _placed({"name": name}, namespace)
        return Request("memory", "clear", args, decode=lambda results: int(results[-1]["cleared"]))

    def list(self, pattern: str = "*", *, namespace: str = "") -> Request[builtins.list[Block]]:
        """The blocks whose names match a glob pattern, without their values."""
        args = _placed({"pattern": pattern}, namespace)
        return Request("memory", "list", args, decode=lambda results: [Block(**found) for found in results[-1]])

    def stat(self, *, namespace: str = "") -> Request[JsonObject]:
        """How many blocks and bytes there are, how many in the fast tier, and how often that helped."""
        return Request("memory", "stat", _placed({}, namespace))

    def add(
        self,
        content: str,
        *,
        tags: Sequence[str] = (),
        metadata: JsonObject | None = None,
        keywords: Sequence[str] = (),
        category: str = "",
        context: str = "",
        namespace: str = "",
    ) -> Request[str]:
        """Store a note as it is; gives its id."""
        args: JsonObject = {"content": content, "tags": list(tags), "metadata": metadata or {}}
        more = {"keywords": [*keywords], "category": category, "context": context}
        args |= {name: value for name, value in more.items() if value}
        return Request("memory", "add", _placed(args, namespace), decode=_id)

    def note(
        self,
        content: str,
        *,
        tags: Sequence[str] = (),
        metadata: JsonObject | None = None,
        model: str = "",
        namespace: str = "",
    ) -> Request[str]:
        """Store a note and let a model describe it, link it with its neighbours and improve these; gives its id.

        Whatever the model says, the note is kept: `get` tells by `analysis` what became of it.
        """
        args: JsonObject = {"content": content, "tags": list(tags), "metadata": metadata or {}}
        asked = {**args, "model": model} if model else args
        return Request("memory", "note", _placed(asked, namespace), decode=lambda results: str(results[0]["id"]))

    def get(self, id: str, *, namespace: str = "") -> Request[Note]:  # the field's name
        """One note by id, with its links."""
        return Request("memory", "get", _placed({"id": id}, namespace), decode=lambda results: _note(results[-1]))

    def search(
        self,
        query: str,
        *,
        k: int = 5,
        tags: Sequence[str] = (),
        category: str = "",
        after: datetime | None = None,
        before: datetime | None = None,
        threshold: float | None = None,
        namespace: str = "",
        namespaces: Sequence[str] = (),
    ) -> Request[builtins.list[Note]]:
        """The k notes nearest in meaning and words, best first.

        Args:
            query: a text.
            k: so many at most.
            tags: only notes that have all of these.
            category: only notes of this one.
            after: only notes made then or later.
            before: only notes made earlier.
            threshold: only notes of at least this cosine similarity.
            namespace: whose; empty: the agent's own.
            namespaces: several at once, instead.
        """
        args: JsonObject = {"query": query, "k": k, "tags": list(tags)}
        more = {
            "category": category,
            "after": _told(after),
            "before": _told(before),
            "threshold": threshold,
            "namespaces": [*namespaces],
        }
        args |= {name: value for name, value in more.items() if value not in (None, "", [])}
        return Request(
            "memory", "search", _placed(args, namespace), decode=lambda results: [_note(n) for n in results[-1]]
        )

    def update(
        self,
        id: str,
        *,
        content: str | None = None,
        tags: Sequence[str] | None = None,
        metadata: JsonObject | None = None,
        keywords: Sequence[str] | None = None,
        category: str | None = None,
        context: str | None = None,
        namespace: str = "",
    ) -> Request[None]:
        """Change what is given; leave what is None. `history` tells what it was."""
        args: JsonObject = {
            "id": id,
            "content": content,
            "tags": None if tags is None else list(tags),
            "metadata": metadata,
        }
        more = {"keywords": None if keywords is None else list(keywords), "category": category, "context": context}
        args |= {name: value for name, value in more.items() if value is not None}
        return Request("memory", "update", _placed(args, namespace), decode=nothing)

    def remove(self, id: str, *, namespace: str = "") -> Request[None]:
        """Forget one note."""
        return Request("memory", "remove", _placed({"id": id}, namespace), decode=nothing)

    def link(self, id: str, other: str, *, reason: str = "", namespace: str = "") -> Request[None]:
        """Link two notes, both ways."""
        args = {"id": id, "other": other, "reason": reason}
        return Request("memory", "link", _placed(args, namespace), decode=nothing)

    def related(self, id: str, *, depth: int = 1, k: int = 20, namespace: str = "") -> Request[builtins.list[Note]]:
        """The notes that links lead to from one, over `depth` links at most, nearest first."""
        args = _placed({"id": id, "depth": depth, "k": k}, namespace)
        return Request("memory", "related", args, decode=lambda results: [_note(n) for n in results[-1]])

    def history(self, id: str, *, namespace: str = "") -> Request[builtins.list[JsonObject]]:
        """What a note was before each of its changes, oldest first: its fields, `version`, `reason`, `changed_at`."""
        return Request("memory", "history", _placed({"id": id}, namespace))


def _placed(args: JsonObject, namespace: str) -> JsonObject:
    return {**args, "namespace": namespace} if namespace else args


def _version(results: list[Json]) -> int:
    return int(results[-1]["version"])


def _id(results: list[Json]) -> str:
    return str(results[-1]["id"])


def _told(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()


def _note(value: JsonObject) -> Note:
    lists = {name: tuple(value.get(name, ())) for name in ("tags", "keywords", "links")}
    return Note(**{**value, **lists})
