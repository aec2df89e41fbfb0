"""Versions of files as a fake keeps them, and as the operations of storage tell them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aios.storage.media import media_type

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from aios.kernel.values import JsonObject


@dataclass(frozen=True)
class Version:
    """One version of a file; `data` is None of a deletion.

    Attributes:
        op: what made it.
        origin: where its content came from, when it came from another version.
    """

    number: int
    data: bytes | None
    op: str
    agent: UUID
    at: datetime
    origin: str | None = None

    @property
    def size(self) -> int:
        """Bytes of its content."""
        return len(self.data or b"")


def told(path: str, version: Version) -> JsonObject:
    """A version as a result."""
    return {"path": path, "version": version.number, "size": version.size, "updated_at": version.at.isoformat()}


def line(path: str, version: Version) -> JsonObject:
    """A version as the history tells it."""
    data = version.data
    return {
        "version": version.number,
        "op": version.op,
        "size": version.size,
        "digest": None if data is None else hashlib.sha256(data).hexdigest(),
        "media_type": "" if data is None else media_type(path, data),
        "agent": str(version.agent),
        "origin": version.origin,
        "created_at": version.at.isoformat(),
    }
