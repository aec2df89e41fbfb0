"""What the operations of memory take, and how much of it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field

from aios.kernel.payload import Payload

# Postgres refuses a text whose words take more than 1 MB; this leaves room for every kind of text.
LONGEST_CONTENT: Final = 100_000
LONGEST_METADATA_BYTES: Final = 65_536
MOST_RESULTS: Final = 100
MOST_ITEMS: Final = 100


def _instant(value: object) -> object:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def _aware(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("give the time with its zone, such as 2026-01-31T12:00:00+00:00")
    return value


Content = Annotated[str, Field(min_length=1, max_length=LONGEST_CONTENT)]
Items = Annotated[list[Annotated[str, Field(min_length=1, max_length=200)]], Field(max_length=MOST_ITEMS)]
Line = Annotated[str, Field(max_length=200)]
Passage = Annotated[str, Field(max_length=2_000)]
Instant = Annotated[datetime, BeforeValidator(_instant), AfterValidator(_aware)]
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Namespace = Annotated[str, Field(max_length=208)]


class Place(Payload):
    """Whose memory; empty: the asking agent's own."""

    namespace: Namespace = ""


class Add(Place):
    """A text to remember."""

    content: Content
    tags: Items = Field(default_factory=list)
    keywords: Items = Field(default_factory=list)
    category: Line = ""
    context: Passage = ""
    metadata: dict[str, Any] = Field(default_factory=dict)
    analyse: bool = False


class Find(Place):
    """The k notes nearest to a text; only those that have all the tags and were made in that time."""

    query: str
    namespaces: Annotated[list[Namespace], Field(max_length=20)] = Field(default_factory=list)
    k: Annotated[int, Field(ge=1, le=MOST_RESULTS)] = 5
    tags: Items = Field(default_factory=list)
    category: Line = ""
    after: Instant | None = None
    before: Instant | None = None
    threshold: Annotated[float, Field(ge=-1, le=1)] = -1.0


class Recall(Find):
    """What a chat is to remember: as `Find`, and no more than so many tokens of the core's tokenizer; 0: no bound."""

    tokens: Annotated[int, Field(ge=0)] = 0
    model: str = ""


class Update(Place):
    """What to change; None stays as it is."""

    id: str
    content: Content | None = None
    tags: Items | None = None
    keywords: Items | None = None
    category: Line | None = None
    context: Passage | None = None
    metadata: dict[str, Any] | None = None


class One(Place):
    """One note by id."""

    id: str


class Related(One):
    """What is linked with a note, over so many links at most."""

    depth: Annotated[int, Field(ge=1, le=5)] = 1
    k: Annotated[int, Field(ge=1, le=MOST_RESULTS)] = 20


class Link(One):
    """Two notes to be linked."""

    other: str
    reason: Passage = ""


class Remember(Place):
    """The reply of an earlier syscall of the same request, as a note; `asked` stands before it."""

    reply: Annotated[int, Field(ge=0, alias="from")]
    tags: Items = Field(default_factory=list)
    asked: str = ""
    analyse: bool = False


class Analyse(Place):
    """A model's answer about a note that an earlier syscall of the same request stored."""

    note: Annotated[int, Field(ge=0)]
    reply: Annotated[int, Field(ge=0)]
    k: Annotated[int, Field(ge=0, le=20)] = 5
    threshold: Annotated[float, Field(ge=-1, le=1)] = 0.3


class Evolve(Place):
    """A model's answer about a note and its neighbours, as an earlier `analyse` found them."""

    note: Annotated[int, Field(ge=0)]
    seen: Annotated[int, Field(ge=0)]
    reply: Annotated[int, Field(ge=0)]


class Alloc(Place):
    """A block to make, or whose room and pin to change."""

    name: Name
    bytes: Annotated[int, Field(ge=1)] | None = None
    pinned: bool | None = None


class Write(Place):
    """A block's new value; `expect`: only over this version, 0: only where there is none."""

    name: Name
    value: Any
    expect: Annotated[int, Field(ge=0)] | None = None


class Read(Place):
    """One block."""

    name: Name


class Clear(Place):
    """One block, or all of them."""

    name: Name | None = None


class Listing(Place):
    """Blocks whose names match a glob pattern."""

    pattern: Annotated[str, Field(min_length=1, max_length=200)] = "*"
