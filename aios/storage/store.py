"""What every storage operation works with, and the form of one: a check before, an effect in the completing transaction."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from aios.kernel import paths
from aios.storage.blobs import Blobs

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from aios.db.session import Transaction
    from aios.kernel.ports import Claimed, Embedder
    from aios.kernel.values import Json
    from aios.storage.index import Index
    from aios.storage.links import Links

Effect: TypeAlias = "Callable[[Transaction], Json]"
Operation: TypeAlias = "Callable[[Store, Claimed], Effect]"


@dataclass(frozen=True)
class Store:
    """The files of one AIOS.

    Attributes:
        embedder: made at the first search, since a process that only writes files needs no model.
        index: cuts and embeds what is new; None: some other process does.
        links: signs share links; None: none are made here.
        file_bytes: the longest file.
    """

    blobs: Blobs = field(default_factory=Blobs)
    embedder: Callable[[], Embedder] | None = None
    index: Index | None = None
    links: Links | None = None
    file_bytes: int = 32_000_000

    def path(self, call: Claimed, path: str) -> str:
        """The canonical path that an agent means. Whether it may go there was decided before the syscall was issued."""
        return paths.canonical(path, home=paths.folder(call.agent_id))


def by(call: Claimed) -> dict[str, UUID]:
    """Who makes a version, and by which syscall."""
    return {"agent_id": call.agent_id, "syscall_id": call.id}
