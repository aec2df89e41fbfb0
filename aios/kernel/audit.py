"""The chain of hashes over the audit log: what it is computed of, and what verifying it tells. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from aios.kernel.values import ANY_DEPTH, canonical

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from aios.kernel.values import JsonObject

START: Final = b"\x00" * 32
GRACE: Final = timedelta(seconds=90)
"""A row may be sealed this long after later ones: its transaction was slow. No statement lasts longer than 30 s."""


class Entry(NamedTuple):
    """One row of the log, and its link of the chain if it has one."""

    row: JsonObject | None
    position: int | None = None
    entry: int | None = None
    hash: bytes = b""
    sealed_at: datetime | None = None


@dataclass
class Verified:
    """What is wrong with a log; ids of rows.

    Attributes:
        rows: how many were looked at.
        unsealed: how many the sealing tick has not come to yet.
        broken: positions that are missing from the chain.
        head: the last link's hash; noted elsewhere, it proves later that nothing before it was cut off.
    """

    rows: int = 0
    unsealed: int = 0
    head: str = START.hex()
    changed: list[int] = field(default_factory=list)
    removed: list[int] = field(default_factory=list)
    inserted: list[int] = field(default_factory=list)
    broken: list[int] = field(default_factory=list)
    heads: set[str] = field(default_factory=set)

    @property
    def good(self) -> bool:
        """Whether nothing was changed, removed or inserted."""
        return not (self.changed or self.removed or self.inserted or self.broken)

    def to_json(self) -> JsonObject:
        """For scripts."""
        names = ("rows", "unsealed", "head", "changed", "removed", "inserted", "broken")
        return {"good": self.good, **{name: getattr(self, name) for name in names}}


def link(before: bytes, row: JsonObject) -> bytes:
    """The hash of a row and all before it: SHA-256 of the previous hash and the row's canonical JSON."""
    return hashlib.sha256(before + canonical(_plain(row), what="an audit row", deepest=ANY_DEPTH)).digest()


def verify(entries: Iterable[Entry], *, now: datetime) -> Verified:
    """Walk the chain in its order, then the rows without a link.

    A row that was changed breaks its own link alone: the next one is checked against the hash that is stored. A link without
    its row tells of a removed row, a missing position of a removed link. A row much older than what was sealed before it was
    inserted later.

    Args:
        entries: links by position with their rows (`row` None: it is gone), then rows without a link (`position` None).
        now: the database's.
    """
    walk = _Walk()
    for item in entries:
        if item.position is None:
            walk.unsealed(item, now=now)
        else:
            walk.sealed(item)
    walk.found.head = walk.before.hex()
    return walk.found


@dataclass
class _Walk:
    found: Verified = field(default_factory=Verified)
    before: bytes = START
    place: int = 0
    batch: datetime | None = None
    horizon: datetime | None = None  # all rows older than this were seen when the batch before was sealed

    def sealed(self, item: Entry) -> None:
        if item.sealed_at != self.batch:
            self.horizon, self.batch = self.batch, item.sealed_at
        if item.position != self.place + 1:
            self.found.broken.append(self.place + 1)
        self.place = item.position or 0
        if item.row is None:
            self.found.removed.append(int(item.entry or 0))
        else:
            self._check(item, item.row)
        self.before = item.hash
        self.found.heads.add(self.before.hex())

    def _check(self, item: Entry, row: JsonObject) -> None:
        self.found.rows += 1
        if link(self.before, row) != item.hash:
            self.found.changed.append(row["id"])
        elif self.horizon is not None and row["at"] < self.horizon - GRACE:
            self.found.inserted.append(row["id"])

    def unsealed(self, item: Entry, *, now: datetime) -> None:
        self.found.rows += 1
        self.found.unsealed += 1
        if item.row is not None and self.batch is not None and item.row["at"] < min(self.batch, now) - GRACE:
            self.found.inserted.append(item.row["id"])


def _plain(row: JsonObject) -> JsonObject:
    return {**row, "at": row["at"].isoformat(), "agent_id": None if row["agent_id"] is None else str(row["agent_id"])}
