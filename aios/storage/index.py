"""The index: what was written is cut and embedded a moment later, by a thread of the storage workers. No write waits for it.

Chunks belong to a content, not to a file: what two files share is embedded once. A file's row says up to which version
search knows it, so a search can tell what it does not know yet. Whoever dies while indexing loses its lease, nothing else.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import func, insert, select, text

from aios.db.tables import chunks
from aios.errors import AiosError
from aios.log import logger
from aios.storage import pdf
from aios.storage.chunking import chunk, chunk_pages
from aios.storage.media import PDF

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from aios.db.session import Database, Transaction
    from aios.kernel.ports import Embedder
    from aios.storage.blobs import Blobs
    from aios.storage.chunking import Chunk

log = logger(__name__)

BATCH: Final = 8
_EMBEDDED_AT_ONCE: Final = 32
_PAUSE_SECONDS: Final = 0.1
_POLL_SECONDS: Final = 2.0
_SETTLE_SECONDS: Final = 0.3  # a file that is being written again and again is indexed once

_CLAIM = text(
    """
    UPDATE files f SET indexing_until = clock_timestamp() + interval '60 seconds'
    FROM (
        SELECT id FROM files
        WHERE indexed < version AND NOT deleted AND NOT folder
          AND updated_at <= clock_timestamp() - make_interval(secs => :settle)
          AND (indexing_until IS NULL OR indexing_until < clock_timestamp())
        ORDER BY updated_at LIMIT :batch FOR UPDATE SKIP LOCKED
    ) AS found, file_versions v
    WHERE f.id = found.id AND v.file_id = f.id AND v.version = f.version
    RETURNING f.id, f.path, f.version, f.indexed, v.digest, v.media_type
    """
)

_COUNT = text("SELECT count(*) FROM files WHERE indexed < version AND NOT deleted AND NOT folder")

_DONE = text(
    """
    UPDATE files SET indexed = GREATEST(indexed, :version), indexing_until = NULL WHERE id = :id
    """
)

_LEFT_BEHIND = text(
    """
    SELECT DISTINCT digest FROM file_versions
    WHERE file_id = :id AND version >= :indexed AND version < :version AND digest IS NOT NULL AND digest <> :digest
    ORDER BY digest LIMIT 1000
    """
)

_DROP_UNUSED = text(
    """
    DELETE FROM chunks c WHERE digest = :digest AND NOT EXISTS (
        SELECT 1 FROM file_versions v JOIN files f ON f.id = v.file_id AND f.version = v.version
        WHERE v.digest = c.digest AND NOT f.deleted)
    """
)

_OTHERS = text(
    """
    UPDATE files f SET indexed = 0 FROM file_versions v
    WHERE v.file_id = f.id AND v.version = f.version AND NOT f.deleted AND NOT f.folder AND f.indexed > 0
      AND EXISTS (SELECT 1 FROM chunks c WHERE c.digest = v.digest AND c.embedder <> :embedder)
    """
)


class Task(NamedTuple):
    """A version that search does not know yet; `indexed` is the one it knows."""

    id: UUID
    path: str
    version: int
    indexed: int
    digest: bytes
    media_type: str


class Index:
    """Keeps the chunks of all files; any number of processes may do so at once."""

    def __init__(self, database: Database, blobs: Blobs, *, embedder: Callable[[], Embedder]) -> None:
        """Nothing is loaded before there is something to embed.

        Args:
            database: where files are.
            blobs: where their contents are.
            embedder: makes it, or gives the one that was made.
        """
        self._database = database
        self._blobs = blobs
        self._embedder = embedder
        self._wanted = threading.Event()
        self._stopped = threading.Event()
        self._adopted = False

    def start(self) -> None:
        """Index from now on."""
        threading.Thread(target=self._go_on, name="aios-index", daemon=True).start()

    def stop(self) -> None:
        """Index no more."""
        self._stopped.set()
        self._wanted.set()

    def wake(self) -> None:
        """Something was or is being written: look soon."""
        self._wanted.set()

    def tick(self, *, settle_seconds: float = 0.0) -> int:
        """Index some of what is new; gives how many files it was."""
        with self._database.transaction() as tx:
            found = tx.execute(_CLAIM, {"settle": settle_seconds, "batch": BATCH}).all()
        for row in found:
            self._index(Task(row.id, row.path, row.version, row.indexed, bytes(row.digest), row.media_type))
        return len(found)

    def catch_up(self, *, seconds: float = 600.0) -> int:
        """Index all that is new, and wait for what others are at; gives how many files are left when the time is over."""
        end = time.monotonic() + seconds
        while True:
            if not self.tick():
                left = self.left()
                if not left or time.monotonic() >= end:
                    return left
                time.sleep(_PAUSE_SECONDS)
            elif time.monotonic() >= end:
                return self.left()

    def left(self) -> int:
        """How many files search does not know as they are now."""
        with self._database.statement() as tx:
            return int(tx.execute(_COUNT).scalar_one())

    def adopt(self) -> None:
        """Once per process, when its embedder is loaded anyway: have embedded again what another one made."""
        if not self._adopted:
            self._adopted = True
            self.reindex()

    def reindex(self) -> int:
        """Have everything that another embedder made embedded again, by and by; gives how many files it is."""
        with self._database.transaction() as tx:
            return tx.execute(_OTHERS, {"embedder": self._embedder().name}).rowcount

    def _index(self, task: Task) -> None:
        try:
            with self._database.statement() as tx:
                there = self._is_there(tx, task)
                data = b"" if there else self._blobs.load(tx, task.digest)
            pieces = [] if there else _pieces(task, data)
            vectors = self._vectors(pieces)
            with self._database.transaction() as tx:
                self._store(tx, task, None if there else pieces, vectors)
        except AiosError as error:  # its lease ends, and somebody tries again
            log.warning("index: %s version %d: %s", task.path, task.version, error)

    def _vectors(self, pieces: Sequence[Chunk]) -> list[list[float]]:
        vectors: list[list[float]] = []
        for start in range(0, len(pieces), _EMBEDDED_AT_ONCE):
            vectors += self._embedder().embed([piece.text for piece in pieces[start : start + _EMBEDDED_AT_ONCE]])
        return vectors

    def _is_there(self, tx: Transaction, task: Task) -> bool:
        own = (chunks.c.digest == task.digest, chunks.c.media_type == task.media_type)
        found = tx.execute(select(chunks.c.embedder).where(*own).limit(1)).scalar()
        return found is not None and found == self._embedder().name

    def _store(self, tx: Transaction, task: Task, pieces: Sequence[Chunk] | None, vectors: list[list[float]]) -> None:
        """One lock per content: whoever drops chunks that nobody needs sees first whether somebody does.

        Args:
            tx: the transaction.
            task: what was indexed.
            pieces: None: the content had its chunks already.
            vectors: one per piece.
        """
        behind = [bytes(digest) for digest in tx.execute(_LEFT_BEHIND, task._asdict()).scalars()]
        for digest in sorted({task.digest, *behind}):
            tx.execute(select(func.pg_advisory_xact_lock(_key(digest))))
        there = self._is_there(tx, task)
        if pieces and not there and self._blobs.hold(tx, task.digest):
            self._replace(tx, task, pieces, vectors)
        if pieces is not None or there:  # else they were dropped since: the lease ends, and it is done again
            tx.execute(_DONE, {"id": task.id, "version": task.version})
        for digest in behind:
            tx.execute(_DROP_UNUSED, {"digest": digest})

    def _replace(self, tx: Transaction, task: Task, pieces: Sequence[Chunk], vectors: list[list[float]]) -> None:
        own = (chunks.c.digest == task.digest, chunks.c.media_type == task.media_type)
        tx.execute(chunks.delete().where(*own))
        rows = [
            {
                "digest": task.digest,
                "media_type": task.media_type,
                "position": position,
                "heading": piece.heading,
                "content": piece.content,
                "embedder": self._embedder().name,
                "embedding": vector,
            }
            for position, (piece, vector) in enumerate(zip(pieces, vectors, strict=True))
        ]
        tx.execute(insert(chunks), rows)

    def _go_on(self) -> None:
        while not self._stopped.is_set():
            self._wanted.wait(_POLL_SECONDS)
            self._wanted.clear()
            try:
                self._stopped.wait(_SETTLE_SECONDS)
                while not self._stopped.is_set() and self.tick(settle_seconds=_SETTLE_SECONDS):
                    self.adopt()
            except AiosError as error:
                log.warning("index: %s; it goes on later", error)
            except Exception:
                log.exception("index: the tick raised; the next one tries again")


def _pieces(task: Task, data: bytes) -> list[Chunk]:
    name = task.path.rpartition("/")[2]
    if task.media_type != PDF:
        return chunk(data, media_type=task.media_type, name=name)
    pages = pdf.read(data)
    if pages.missing:
        log.warning("index: %s version %d: %s", task.path, task.version, pages.missing)
    return chunk_pages(pages.texts, name=name)


def _key(digest: bytes) -> int:
    return int.from_bytes(digest[8:16], "big", signed=True)  # not the one that sweeping blobs locks
