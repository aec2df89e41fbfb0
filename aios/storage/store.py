"""What every storage operation works with, and the form of one: a check before, an effect in the completing transaction."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias, TypedDict
from uuid import UUID

from aios.kernel import paths
from aios.storage.blobs import Blobs

if TYPE_CHECKING:
    from collections.abc import Callable

    from aios.db.session import Transaction
    from aios.kernel.ports import Claimed, Embedder, Outcome
    from aios.kernel.values import Json
    from aios.storage.index import Index
    from aios.storage.links import Links

Effect: TypeAlias = "Callable[[Transaction], Json]"
Operation: TypeAlias = "Callable[[Store, Claimed], Effect | Outcome]"

OPERATOR: Final = UUID(int=0)
"""Stands for a person at the command line, who is no agent and reaches every file."""


@dataclass(frozen=True)
class Store:
    """The files of one AIOS.

    Attributes:
        embedder: made at the first search, since a process that only writes files needs no model.
        index: cuts and embeds what is new; None: some other process does.
        links: signs share links; None: none are made here.
        file_bytes: the longest file.
        home: what a relative path is below; empty: the calling agent's own folder.
    """

    blobs: Blobs = field(default_factory=Blobs)
    embedder: Callable[[], Embedder] | None = None
    index: Index | None = None
    links: Links | None = None
    file_bytes: int = 32_000_000
    home: str = ""

    def path(self, call: Claimed, path: str) -> str:
        """The canonical path that an agent means. Whether it may go there was decided before the syscall was issued."""
        return paths.canonical(path, home=self.home or paths.folder(call.agent_id))


def author(call: Claimed) -> UUID | None:
    """Who makes a version; None: an operator."""
    return None if call.agent_id == OPERATOR else call.agent_id


class By(TypedDict):
    """Who makes a version, and by which syscall."""

    agent_id: UUID | None
    syscall_id: UUID | None


def by(call: Claimed) -> By:
    """Who makes a version, and by which syscall."""
    person = author(call)
    return {"agent_id": person, "syscall_id": None if person is None else call.id}
