"""Arguments of the storage operations."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime  # pydantic reads annotations at run time
from typing import Annotated, Final, Literal

from pydantic import Field

from aios.errors import InvalidArgument
from aios.kernel.payload import Payload

Version = Annotated[int, Field(ge=1, le=2**31 - 1)]
Expect = Annotated[int, Field(ge=0, le=2**31 - 1)]
Bytes = Annotated[int, Field(ge=0, le=2**40)]

LONGEST_QUERY: Final = 4_000
DEFAULT_SCORE: Final = 0.4
_FEWEST_LABELS: Final = 2

Query = Annotated[str, Field(max_length=LONGEST_QUERY)]


def instant(name: str, given: str | None) -> datetime | None:
    """An instant that knows its zone.

    Raises:
        InvalidArgument: it is none, or does not.
    """
    if given is None:
        return None
    try:
        found = datetime.fromisoformat(given)
    except ValueError as error:
        raise InvalidArgument(name, given, "give an instant such as 2026-01-31T12:00:00+00:00") from error
    if found.tzinfo is None:
        raise InvalidArgument(name, given, "say its zone too, such as +00:00")
    return found


class Write(Payload):
    """Content for a file: text, or bytes in base64."""

    path: str
    content: str
    encoding: Literal["utf-8", "base64"] = "utf-8"
    expect: Expect | None = None

    def data(self) -> bytes:
        """The content's bytes.

        Raises:
            InvalidArgument: it is no base64, or a text that is no UTF-8.
        """
        try:
            if self.encoding == "base64":
                return base64.b64decode(self.content, validate=True)
            return self.content.encode()
        except (binascii.Error, UnicodeEncodeError) as error:
            raise InvalidArgument("content", self.content[:40], f"it is no {self.encoding}: {error}") from error


class Read(Payload):
    """A version's content, or a part of it; None: the newest version."""

    path: str
    version: Version | None = None
    start: Bytes = 0
    length: Bytes | None = None
    encoding: Literal["utf-8", "base64"] = "utf-8"


class List(Payload):
    """What matches a glob pattern."""

    pattern: str = "**"
    folders: bool = False


class Nothing(Payload):
    """No argument."""


class Path(Payload):
    """One file or folder."""

    path: str


class Delete(Payload):
    """A deletion as a new version; of a folder: of all that is in it."""

    path: str
    everything: bool = False
    expect: Expect | None = None


class Between(Payload):
    """From one path to another."""

    source: str
    target: str
    replace: bool = False


class History(Payload):
    """The newest versions."""

    path: str
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


class Rollback(Payload):
    """How far back: so many versions, to a version, or to an instant (ISO 8601, with its zone)."""

    path: str
    versions: Version | None = None
    to: Version | None = None
    before: str | None = None
    expect: Expect | None = None

    def at(self) -> datetime | None:
        """`before` as an instant.

        Raises:
            InvalidArgument: it is none, or says no zone; or not exactly one of the three is given.
        """
        given = [name for name in ("versions", "to", "before") if getattr(self, name) is not None]
        if len(given) > 1:
            raise InvalidArgument("rollback", ", ".join(given), "give one of them: versions, to or before")
        return instant("before", self.before)


class Diff(Payload):
    """Two versions; None: the newest, and the one before it."""

    path: str
    old: Version | None = None
    new: Version | None = None


class Area(Payload):
    """Which files: where, of what kind, changed when."""

    pattern: str = "**"
    media_type: str | None = None
    after: str | None = None
    before: str | None = None


class Search(Area):
    """What is looked for, how, and where."""

    query: Query
    by: Literal["words", "meaning", "both"] = "both"
    k: Annotated[int, Field(ge=1, le=100)] = 10


class Group(Search):
    """By what files are put together; without a query all that are there.

    By words unless something else is said: what only means something like the query has no end but `k`.
    """

    key: Literal["type", "folder", "agent", "day", "label"]
    labels: list[Annotated[str, Field(min_length=1, max_length=200)]] = Field(default_factory=list, max_length=20)
    members: Annotated[int, Field(ge=0, le=1000)] = 20
    query: Query = ""
    by: Literal["words", "meaning", "both"] = "words"
    k: Annotated[int, Field(ge=1, le=100)] = 100

    @property
    def named(self) -> list[str]:
        """The labels, each once.

        Raises:
            InvalidArgument: there are none to choose from, or they are for another key.
        """
        names = list(dict.fromkeys(self.labels))
        if self.key == "label" and len(names) < _FEWEST_LABELS:
            raise InvalidArgument("labels", names, "give at least two to choose from, such as invoice and letter")
        if self.key != "label" and names:
            raise InvalidArgument("labels", names, "they are for the key `label`")
        return names


class Join(Payload):
    """Two sets of files, and by what their members belong together."""

    left: str
    right: str
    left_query: Query = ""
    right_query: Query = ""
    on: Literal["name", "stem", "meaning"] = "stem"
    min_score: Annotated[float, Field(ge=0, le=1)] | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 100

    @property
    def least(self) -> float:
        """The lowest score of a pair by meaning.

        Raises:
            InvalidArgument: a score is given for pairs by name, which have none.
        """
        if self.on != "meaning" and self.min_score is not None:
            raise InvalidArgument("min_score", self.min_score, "it is for pairs by meaning; say on='meaning'")
        return DEFAULT_SCORE if self.min_score is None else self.min_score


class Share(Payload):
    """A link to a file: to one version of it, or to whatever is the newest."""

    path: str
    version: Version | None = None
    seconds: Annotated[float, Field(gt=0, le=366 * 86400)] = 86400.0


class Unshare(Payload):
    """A link of a file that shall open nothing any more."""

    path: str
    link: str


class Summary(Payload):
    """What a summary of a file must be like."""

    path: str
    words: Annotated[int, Field(ge=5, le=2000)] = 100
    model: str = ""


class KeepSummary(Payload):
    """A summary that was made of a content."""

    path: str
    digest: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    content: Annotated[str, Field(max_length=100_000)]
    words: Annotated[int, Field(ge=5, le=2000)] = 100
    model: str = ""
