"""Files put together: in groups by a key, and in pairs by their names. Pure."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from aios.kernel.values import JsonObject
    from aios.storage.sets import Member

OPERATOR: Final = "operator"
"""Stands for a person at the command line among the agents that wrote files."""

KEYS: Final[Mapping[str, Callable[[Member], str]]] = {
    "type": lambda file: file.media_type,
    "folder": lambda file: str(PurePosixPath(file.path).parent),
    "agent": lambda file: str(file.agent_id) if file.agent_id else OPERATOR,
    "day": lambda file: file.updated_at.astimezone(UTC).date().isoformat(),
}
"""By what files are put together; a label is not among them, since it is found where the vectors are."""

NAMES: Final[Mapping[str, Callable[[Member], str]]] = {
    "name": lambda file: PurePosixPath(file.path).name,
    "stem": lambda file: PurePosixPath(file.path).stem,
}
"""By what two files belong together."""


class Group(NamedTuple):
    """Files with the same key, by path."""

    key: str
    files: list[Member]

    def told(self, most: int) -> JsonObject:
        """The group with so many of its files."""
        size = sum(file.size for file in self.files)
        shown = [file.told for file in self.files[:most]]
        return {"key": self.key, "count": len(self.files), "size": size, "members": shown}


def grouped(files: Iterable[Member], *, key: Callable[[Member], str]) -> list[Group]:
    """The groups, the largest first; each file is in one."""
    found: dict[str, list[Member]] = defaultdict(list)
    for file in files:
        found[key(file)].append(file)
    return sorted((Group(name, together) for name, together in found.items()), key=lambda g: (-len(g.files), g.key))


def paired(
    left: Sequence[Member], right: Sequence[Member], *, key: Callable[[Member], str]
) -> Iterator[tuple[Member, Member]]:
    """Pairs of files with the same key, in the order of the left side.

    A file and itself are none; of two files that are on both sides one pair is told, not two.
    """
    both = {file.id for file in left} & {file.id for file in right}
    others: dict[str, list[Member]] = defaultdict(list)
    for file in right:
        others[key(file)].append(file)
    for file in left:
        for other in others.get(key(file), ()):
            told_already = file.path > other.path and file.id in both and other.id in both
            if file.id != other.id and not told_already:
                yield file, other
