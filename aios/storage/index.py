"""The index: what was written is cut and embedded a moment later, by a thread of the storage workers. No write waits for it.

Chunks belong to a content, not to a file: what two files share is embedded once. A file's row says up to which version
search knows it, so a search can tell what it does not know yet. Whoever dies while indexing loses its lease, nothing else.
"""

from __future__ import annotations

import threading
import time
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import insert, text

from aios.db.tables import chunks
from aios.errors import AiosError, DatabaseUnavailable
from aios.log import logger
from aios.storage import pdf
from aios.storage.chunking import chunk, chunk_pages
from aios.storage.media import PDF

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from uuid import UUID

    from aios.db.session import Database, Transaction
    from aios.kernel.ports import Embedder
    from aios.storage.blobs import Blobs
    from aios.storage.chunking import Chunk

log = logger(__name__)

BATCH: Final = 32
_EMBEDDED_AT_ONCE: Final = 32
_BYTES_AT_ONCE: Final = 1_000_000
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
    RETURNING f.id, f.path, f.version, f.indexed, v.digest, v.media_type, v.size
    """
)

_COUNT = text("SELECT count(*) FROM files WHERE indexed < version AND NOT deleted AND NOT folder")

_KNOWN = text("SELECT DISTINCT digest, media_type FROM chunks WHERE digest = ANY(:digests) AND embedder = :embedder")

_LOCK = text("SELECT pg_advisory_xact_lock(key) FROM unnest(CAST(:keys AS bigint[])) AS key")

_DROP = text(
    """
    DELETE FROM chunks c USING unnest(CAST(:digests AS bytea[]), CAST(:types AS text[])) AS old (digest, media_type)
    WHERE c.digest = old.digest AND c.media_type = old.media_type
    """
)

_DONE = text(
    """
    UPDATE files f SET indexed = GREATEST(f.indexed, t.version), indexing_until = NULL
    FROM unnest(CAST(:ids AS uuid[]), CAST(:versions AS integer[])) AS t (id, version) WHERE f.id = t.id
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
    size: int

    @property
    def content(self) -> Content:
        """What its chunks belong to."""
        return Content(self.digest, self.media_type)


class Content(NamedTuple):
    """Bytes, and how they are cut."""

    digest: bytes
    media_type: str


class Cut(NamedTuple):
    """A content's chunks with their vectors, in the same order."""

    pieces: Sequence[Chunk]
    vectors: Sequence[list[float]]


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
        with self._database.statement() as tx:
            found = [Task(*row) for row in tx.execute(_CLAIM, {"settle": settle_seconds, "batch": BATCH})]
        for tasks in _together(found):
            self._index(tasks)
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

    def _index(self, tasks: Sequence[Task]) -> None:
        """Index them together; if that fails, each by itself: one file must not keep the others from being found."""
        try:
            self._index_all(tasks)
        except DatabaseUnavailable:  # all of them wait for it
            raise
        except Exception as error:
            if len(tasks) > 1:
                for task in tasks:
                    self._index([task])
                return
            (task,) = tasks  # its lease ends, and somebody tries again
            known = isinstance(error, AiosError)
            log.warning("index: %s version %d: %s", task.path, task.version, error, exc_info=not known)

    def _index_all(self, tasks: Sequence[Task]) -> None:
        with self._database.statement() as tx:
            there = self._known(tx, tasks)
            new = {task.content: task for task in tasks if task.content not in there}
            data = self._blobs.load_all(tx, [digest for digest, _ in new])
        pieces = {content: _pieces(task, data[content.digest]) for content, task in new.items()}
        cuts = self._cuts(pieces)
        with self._database.transaction() as tx:
            self._store(tx, tasks, cuts)

    def _cuts(self, pieces: Mapping[Content, Sequence[Chunk]]) -> dict[Content, Cut]:
        texts = [piece.text for some in pieces.values() for piece in some]
        vectors: list[list[float]] = []
        for start in range(0, len(texts), _EMBEDDED_AT_ONCE):
            vectors += self._embedder().embed(texts[start : start + _EMBEDDED_AT_ONCE])
        each = iter(vectors)
        return {content: Cut(some, list(islice(each, len(some)))) for content, some in pieces.items()}

    def _known(self, tx: Transaction, tasks: Sequence[Task]) -> set[Content]:
        """Those of their contents that have chunks of the embedder of now."""
        asked = {"digests": [task.digest for task in tasks], "embedder": self._embedder().name}
        return {Content(bytes(row.digest), row.media_type) for row in tx.execute(_KNOWN, asked)}

    def _store(self, tx: Transaction, tasks: Sequence[Task], cuts: Mapping[Content, Cut]) -> None:
        """One lock per content: whoever drops chunks that nobody needs sees first whether somebody does.

        Args:
            tx: the transaction.
            tasks: what was indexed.
            cuts: of the contents that had no chunks before.
        """
        behind = {digest for task in tasks if task.version > 1 for digest in _left_behind(tx, task)}
        locked = sorted({*behind, *(task.digest for task in tasks)})
        tx.execute(_LOCK, {"keys": [_key(digest) for digest in locked]}).all()
        there = self._known(tx, tasks)
        self._replace(tx, {content: cut for content, cut in cuts.items() if cut.pieces and content not in there})
        # of the others the chunks were dropped since: the lease ends, and it is done again
        done = [task for task in tasks if task.content in cuts or task.content in there]
        if done:
            tx.execute(_DONE, {"ids": [task.id for task in done], "versions": [task.version for task in done]})
        for digest in sorted(behind):
            tx.execute(_DROP_UNUSED, {"digest": digest})

    def _replace(self, tx: Transaction, cuts: Mapping[Content, Cut]) -> None:
        kept = self._blobs.hold_all(tx, [content.digest for content in cuts]) if cuts else set()
        rows = [
            {
                "digest": content.digest,
                "media_type": content.media_type,
                "position": position,
                "heading": piece.heading,
                "content": piece.content,
                "embedder": self._embedder().name,
                "embedding": vector,
            }
            for content, cut in cuts.items()
            if content.digest in kept
            for position, (piece, vector) in enumerate(zip(cut.pieces, cut.vectors, strict=True))
        ]
        if rows:
            tx.execute(_DROP, {"digests": [c.digest for c in cuts], "types": [c.media_type for c in cuts]})
            tx.execute(insert(chunks), rows)

    def _follow(self) -> None:
        """Index what has settled, many files at a time, until there is nothing more."""
        found = 1
        while found and not self._stopped.wait(0 if found == BATCH else _SETTLE_SECONDS):
            found = self.tick(settle_seconds=_SETTLE_SECONDS)
            if found:
                self.adopt()

    def _go_on(self) -> None:
        while not self._stopped.is_set():
            self._wanted.wait(_POLL_SECONDS)
            self._wanted.clear()
            try:
                self._follow()
            except AiosError as error:
                log.warning("index: %s; it goes on later", error)
            except Exception:
                log.exception("index: the tick raised; the next one tries again")


def _together(tasks: Sequence[Task]) -> Iterator[list[Task]]:
    """The tasks in groups, none of which takes much memory unless a single file does."""
    group: list[Task] = []
    for task in tasks:
        if group and sum(other.size for other in group) + task.size > _BYTES_AT_ONCE:
            yield group
            group = []
        group.append(task)
    if group:
        yield group


def _left_behind(tx: Transaction, task: Task) -> list[bytes]:
    """The contents of the versions between the one that search knows and this one."""
    asked = {"id": task.id, "indexed": task.indexed, "version": task.version, "digest": task.digest}
    return [bytes(digest) for digest in tx.execute(_LEFT_BEHIND, asked).scalars()]


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
