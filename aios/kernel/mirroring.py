"""Keeping two folders the same: what to do about each path, by what both had last and what each has now. Pure.

*Here* is the folder of the host, *there* the virtual one. Of the two sides the one that has changed wins; when both have,
an edit wins over a deletion, and two edits are a conflict, which keeps both. So no content goes that is not an older
version there, or a file of its own beside.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from datetime import datetime

_LONGEST_NAME_BYTES: Final = 255
_LONGEST_SUFFIX_BYTES: Final = 20  # what is longer after the last dot is no file type


class Version(NamedTuple):
    """A version of a virtual file: its number and the digest of its content; None: a deletion."""

    number: int
    digest: str | None


class Action(StrEnum):
    """What to do about one path."""

    DELETE_HERE = "delete_here"
    DELETE_THERE = "delete_there"
    UPLOAD = "upload"
    DOWNLOAD = "download"
    CONFLICT = "conflict"
    REMEMBER = "remember"
    FORGET = "forget"


class Step(NamedTuple):
    """One action on one path.

    Attributes:
        here: digest of the file here, as it was seen; None: there is none.
        there: the newest version there; None: there never was one.
    """

    action: Action
    path: str
    here: str | None
    there: Version | None

    @property
    def expect(self) -> int:
        """The version that a write there may replace; 0: there must be none."""
        return self.there.number if self.there is not None and self.there.digest is not None else 0


def plan(
    last: Mapping[str, Version], here: Mapping[str, str], there: Mapping[str, Version], *, held: Collection[str] = ()
) -> list[Step]:
    """What makes two folders the same, in the order in which it is to be done.

    Args:
        last: for each path what both sides had when they were last the same.
        here: digests of the files here.
        there: newest versions there, deletions among them.
        held: paths about which, and about all below which, nothing is to be done now.
    """
    found = []
    for path in sorted({*last, *here, *there}):
        action = decide(last.get(path), here.get(path), there.get(path))
        if action is not None and not (held and _within(path, held)):
            found.append(Step(action, path, here.get(path), there.get(path)))
    # What goes makes room: a file may take the place of a folder, or a folder that of a file.
    return sorted(found, key=lambda step: step.action not in (Action.DELETE_HERE, Action.DELETE_THERE))


def decide(last: Version | None, here: str | None, there: Version | None) -> Action | None:
    """What to do about one path; None: nothing.

    Args:
        last: what both sides had when they were last the same; None: not known.
        here: digest of the file here; None: there is none.
        there: the newest version there; None: there never was one.
    """
    content = None if there is None else there.digest
    if here == content:
        return _settled(last, there)
    known = last.digest if last is not None and _follows(last, there) else None
    if here == known:
        return Action.DELETE_HERE if content is None else Action.DOWNLOAD
    if content in (known, None):
        return Action.DELETE_THERE if here is None else Action.UPLOAD
    return Action.DOWNLOAD if here is None else Action.CONFLICT


def beside(name: str, at: datetime) -> Iterator[str]:
    """Names for the copy of a file that is in conflict, the best first: `notes.conflict-20260131T120000.md`."""
    suffix = PurePosixPath(name).suffix
    if len(suffix.encode()) > _LONGEST_SUFFIX_BYTES:
        suffix = ""
    stem = name.removesuffix(suffix)
    number = 1
    while True:
        mark = f".conflict-{at:%Y%m%dT%H%M%S}" + (f"-{number}" if number > 1 else "")
        room = _LONGEST_NAME_BYTES - len((mark + suffix).encode())
        yield stem.encode()[:room].decode(errors="ignore") + mark + suffix
        number += 1


def _settled(last: Version | None, there: Version | None) -> Action | None:
    if there is None or there.digest is None:
        return None if last is None else Action.FORGET
    return None if last == there else Action.REMEMBER


def _follows(last: Version, there: Version | None) -> bool:
    """Whether what is there came after what was last the same.

    A file whose history is gone, or has gone back (a database was restored, its versions were pruned), proves nothing:
    what is only here is then the one copy of it.
    """
    return there is not None and there.number >= last.number


def _within(path: str, held: Collection[str]) -> bool:
    names = path.split("/")
    return any("/".join(part) in held for part in (names[:n] for n in range(1, len(names) + 1)))
