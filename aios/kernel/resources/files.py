"""What file operations tell a program."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FileInfo:
    """One file (or folder) as `storage.list`, `storage.write` and others tell it."""

    path: str
    version: int
    size: int
    updated_at: str = ""
    media_type: str = ""
    folder: bool = False


@dataclass(frozen=True)
class Hit:
    """A file that a search found, with the part of it that fits best.

    Attributes:
        score: for comparing hits of one search only.
        by: what found it: `words`, `meaning` or `both`.
        heading: the file's name and the headings above the part.
    """

    path: str
    version: int
    score: float
    by: str
    heading: str
    content: str
    media_type: str
    updated_at: str


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes:
        hits: best first, each file once.
        unindexed: files of the searched area whose newest version search does not know yet; 0: nothing was missed.
    """

    hits: tuple[Hit, ...]
    unindexed: int


@dataclass(frozen=True)
class Link:
    """A share link: whoever has `link` may read the file until it expires or is revoked."""

    link: str
    id: str
    path: str
    version: int | None
    expires_at: str


@dataclass(frozen=True)
class Summary:
    """What is in a file, in short.

    Attributes:
        version: the version that was summarised.
        kept: it was made before, for the same content.
        characters: how much of the text was read; `of` it has so many.
    """

    text: str
    version: int
    kept: bool
    characters: int
    of: int


@dataclass(frozen=True)
class Group:
    """Files that have the same key.

    Attributes:
        key: a media type, a folder, the id of an agent (or `operator`), a day (in UTC) or a label; empty: no label is near,
            since search does not know the file.
        count: how many files.
        size: their bytes.
        members: the first of them, by path.
    """

    key: str
    count: int
    size: int
    members: tuple[FileInfo, ...]


@dataclass(frozen=True)
class Grouped:
    """What `storage.group` found.

    Attributes:
        groups: the largest first; each file is in one.
        files: how many there are in all.
        unindexed: files of the area that search does not know as they are now: a query may miss them, a label always does.
    """

    groups: tuple[Group, ...]
    files: int
    unindexed: int


@dataclass(frozen=True)
class Pair:
    """Two files that belong together.

    Attributes:
        score: how much alike they mean, 1.0 at most; 1.0 for the same name.
    """

    left: FileInfo
    right: FileInfo
    score: float


@dataclass(frozen=True)
class Joined:
    """What `storage.join` found.

    Attributes:
        pairs: by name: in the order of the left files' paths; by meaning: the most alike first.
        more: whether there are more pairs than were asked for.
        unindexed: files of both areas that search does not know as they are now: a query may miss them, meaning always does.
    """

    pairs: tuple[Pair, ...]
    more: bool
    unindexed: int
