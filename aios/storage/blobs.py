"""Contents, each stored once under its SHA-256: in Postgres itself, or in an object store beside it.

The row of the table `blobs` is what versions refer to, so what is there is decided by one transaction. With an object
store the bytes are put before that transaction commits, and taken away only after the row is gone: a crash leaves at worst
an object that nobody needs, which `sweep` finds. An advisory lock per digest keeps the two from meeting in between.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects import postgresql

from aios.db.hot import Hot
from aios.db.tables import blobs
from aios.errors import BlobLost, DatabaseUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import timedelta

    from aios.db.session import Database, Transaction
    from aios.kernel.ports import ObjectStore

_TRIES: Final = 5
_PAGE: Final = 500

_LOAD: Final = Hot(text("SELECT digest, data FROM blobs WHERE digest = ANY(:digests)"))
_HOLD: Final = Hot(text("SELECT digest FROM blobs WHERE digest = ANY(:digests) ORDER BY digest FOR KEY SHARE"))


class Kept(NamedTuple):
    """A content that is there for as long as a version refers to it."""

    digest: bytes
    size: int


class Blobs:
    """The contents of all files. Without an object store they are in Postgres."""

    def __init__(self, objects: ObjectStore | None = None) -> None:
        self._objects = objects

    @property
    def inline(self) -> bool:
        """Whether contents are in Postgres."""
        return self._objects is None

    def prepare(self, data: bytes) -> None:
        """Put a content where it belongs before the transaction begins, so that no upload holds a lock."""
        if self._objects is not None:
            name = hashlib.sha256(data).hexdigest()
            if not self._objects.has(name):
                self._objects.put(name, data)

    def keep(self, tx: Transaction, data: bytes) -> Kept:
        """Make sure, in `tx`, that a content is there and stays there."""
        digest = hashlib.sha256(data).digest()
        if self._objects is None:
            if not self._row(tx, digest, data=data, size=len(data)):  # it was kept outside: from now on it is here
                tx.execute(update(blobs).where(blobs.c.digest == digest).values(data=data))
        else:
            tx.execute(select(func.pg_advisory_xact_lock_shared(_key(digest))))
            if not self._row(tx, digest, data=None, size=len(data)) and not self._objects.has(digest.hex()):
                self._objects.put(digest.hex(), data)
        return Kept(digest, len(data))

    def hold(self, tx: Transaction, digest: bytes) -> bool:
        """Keep a content that is there already from being swept before `tx` ends; False if it is gone."""
        return digest in self.hold_all(tx, [digest])

    def hold_all(self, tx: Transaction, digests: Sequence[bytes]) -> set[bytes]:
        """Keep contents from being swept before `tx` ends; gives those that are there."""
        return {bytes(row["digest"]) for row in _HOLD.all(tx, {"digests": list(digests)})}

    def load(self, tx: Transaction, digest: bytes) -> bytes:
        """A content.

        Raises:
            BlobLost: it is not where it should be, or not what it was.
        """
        return self.load_all(tx, [digest])[digest]

    def load_all(self, tx: Transaction, digests: Sequence[bytes]) -> dict[bytes, bytes]:
        """Contents by digest.

        Raises:
            BlobLost: as `load`.
        """
        rows = {bytes(row["digest"]): row["data"] for row in _LOAD.all(tx, {"digests": list(digests)})}
        for digest in digests:
            if digest not in rows:
                raise BlobLost(digest.hex(), "Postgres has no row of it")
        return {digest: self._object(digest) if data is None else bytes(data) for digest, data in rows.items()}

    def sweep(self, database: Database, *, unused: timedelta) -> int:
        """Remove objects of at least that age that no row knows; gives how many. No writer waits for more than one of them."""
        if self._objects is None:
            return 0
        removed = 0
        for page in _pages(self._objects.older_than(unused)):
            with database.statement() as tx:
                known = set(
                    tx.execute(select(blobs.c.digest).where(blobs.c.digest.in_(map(bytes.fromhex, page)))).scalars()
                )
            removed += sum(self._remove(database, name) for name in page if bytes.fromhex(name) not in known)
        return removed

    def _remove(self, database: Database, name: str) -> bool:
        assert self._objects is not None
        digest = bytes.fromhex(name)
        with database.transaction() as tx:
            if not tx.execute(select(func.pg_try_advisory_xact_lock(_key(digest)))).scalar_one():
                return False  # somebody is writing it now
            if tx.execute(select(1).where(blobs.c.digest == digest)).first() is not None:
                return False
            self._objects.remove(name)
        return True

    def _object(self, digest: bytes) -> bytes:
        if self._objects is None:
            raise BlobLost(digest.hex(), "it was written to an object store, and storage.url names none now")
        data = self._objects.get(digest.hex())
        if data is None:
            raise BlobLost(digest.hex(), f"{self._objects.name} has no such object")
        if hashlib.sha256(data).digest() != digest:
            raise BlobLost(digest.hex(), f"{self._objects.name} holds something else under its name")
        return data

    def _row(self, tx: Transaction, digest: bytes, *, data: bytes | None, size: int) -> bool:
        """Have the row, locked against sweeping; gives whether the content itself is in it."""
        held = (
            select(blobs.c.data.is_not(None).label("inline"))
            .where(blobs.c.digest == digest)
            .with_for_update(read=True, key_share=True)
        )
        for _ in range(_TRIES):  # whoever inserts it at the same time may be rolled back, or pruned at once
            found = tx.execute(held).one_or_none()
            if found is not None:
                return bool(found.inline)
            row = postgresql.insert(blobs).values(digest=digest, size=size, data=data).on_conflict_do_nothing()
            if tx.execute(row.returning(blobs.c.digest)).first() is not None:  # an insert's rowcount says nothing
                return data is not None
        raise DatabaseUnavailable("blobs", f"{digest.hex()} comes and goes")


def _key(digest: bytes) -> int:
    return int.from_bytes(digest[:8], "big", signed=True)


def _pages(names: Iterator[str]) -> Iterator[Sequence[str]]:
    page: list[str] = []
    for name in names:
        page.append(name)
        if len(page) == _PAGE:
            yield page
            page = []
    if page:
        yield page
