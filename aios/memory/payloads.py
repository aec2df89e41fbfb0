"""What the operations of memory take, and how much of it."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import Field

from aios.kernel.payload import Payload

# Postgres refuses a text whose words take more than 1 MB; this leaves room for every kind of text.
LONGEST_CONTENT: Final = 100_000
LONGEST_METADATA_BYTES: Final = 65_536
MOST_RESULTS: Final = 100

Content = Annotated[str, Field(min_length=1, max_length=LONGEST_CONTENT)]
Tags = Annotated[list[Annotated[str, Field(min_length=1, max_length=200)]], Field(max_length=100)]


class Add(Payload):
    """A text to remember."""

    content: Content
    tags: Tags = Field(default_factory=list)
    metadata: dict[str, Any] = Field(default_factory=dict)


class Find(Payload):
    """The k memories nearest to a text; those with all the tags only."""

    query: str
    k: Annotated[int, Field(ge=1, le=MOST_RESULTS)] = 5
    tags: Tags = Field(default_factory=list)


class Update(Payload):
    """What to change; None stays as it is."""

    id: str
    content: Content | None = None
    tags: Tags | None = None
    metadata: dict[str, Any] | None = None


class One(Payload):
    """One memory by id."""

    id: str


class Remember(Payload):
    """The reply of an earlier syscall of the same request, as a memory."""

    reply: Annotated[int, Field(ge=0, alias="from")]
    tags: Tags = Field(default_factory=list)
