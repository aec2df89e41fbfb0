"""The operations that find files by what is in them, and that say in short what that is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import select
from sqlalchemy.dialects import postgresql

from aios.db.tables import summaries
from aios.errors import InvalidArgument, NotFound
from aios.kernel.payload import read as read_payload
from aios.storage import files
from aios.storage.payloads import Area, KeepSummary, Nothing, Search, Summary, instant
from aios.storage.search import Meaning, Where, search

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aios.db.session import Transaction
    from aios.kernel.ports import Claimed
    from aios.kernel.values import JsonObject
    from aios.storage.store import Effect, Operation, Store


_PATIENCE: Final = 0.8  # of a syscall's time


def where(asked: Area, *, pattern: str) -> Where:
    """Which files an operation is about.

    Raises:
        InvalidArgument: an instant is none.
    """
    after, before = instant("after", asked.after), instant("before", asked.before)
    return Where(pattern, asked.media_type, after, before)


def meant(store: Store, asked: Search) -> Meaning | None:
    """What the query means, if the search is about meaning.

    Raises:
        InvalidArgument: there is no embedder here.
    """
    if asked.by == "words":
        return None
    if store.embedder is None:
        raise InvalidArgument("by", asked.by, "there is no embedder here; search by words")
    embedder = store.embedder()
    (vector,) = embedder.embed([asked.query])
    return Meaning(embedder.name, vector)


def _search(store: Store, call: Claimed) -> Effect:
    """Find files by words, by meaning, or by both."""
    asked = read_payload(Search, call.payload)
    area = where(asked, pattern=store.path(call, asked.pattern))
    if not asked.query.strip():
        return lambda _tx: {"hits": [], "unindexed": 0}
    meaning = meant(store, asked)
    words = asked.by != "meaning"
    return lambda tx: search(tx, asked.query, where=area, k=asked.k, words=words, meaning=meaning)


def _index(store: Store, call: Claimed) -> Effect:
    """Make everything that was written until now known to search."""
    read_payload(Nothing, call.payload)
    if store.index is None:
        raise InvalidArgument("operation", "index", "this process keeps no index")
    left = store.index.catch_up(seconds=_PATIENCE * call.seconds_left)
    return lambda _tx: {"unindexed": left}


def _summarise(store: Store, call: Claimed) -> Effect:
    """Give a file's summary if one is kept, else its text."""
    asked = read_payload(Summary, call.payload)
    path = store.path(call, asked.path)

    def effect(tx: Transaction) -> JsonObject:
        known = files.find(tx, path)
        if known is None:
            raise NotFound("file", asked.path)
        kept = select(summaries.c.content).where(
            summaries.c.digest == known.digest, summaries.c.model == asked.model, summaries.c.words == asked.words
        )
        told = {"path": path, "version": known.version, "digest": known.digest.hex()}
        summary = tx.execute(kept).scalar()
        if summary is not None:
            return {**told, "summary": summary, "text": ""}
        return {**told, "summary": None, "text": _text(store.blobs.load(tx, known.digest), path)}

    return effect


def _keep_summary(store: Store, call: Claimed) -> Effect:
    """Keep a summary for the next who asks for it."""
    asked = read_payload(KeepSummary, call.payload)
    path, digest = store.path(call, asked.path), bytes.fromhex(asked.digest)

    def effect(tx: Transaction) -> JsonObject:
        known = files.find(tx, path)
        if known is None or known.digest != digest or not store.blobs.hold(tx, digest):
            return {"kept": False}  # the file has changed meanwhile: nobody will ask for this
        row = {"digest": digest, "model": asked.model, "words": asked.words, "content": asked.content}
        tx.execute(postgresql.insert(summaries).values(row).on_conflict_do_nothing())
        return {"kept": True}

    return effect


def _text(data: bytes, path: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InvalidArgument("path", path, "it is no text; only texts are summarised") from error


OPERATIONS: Final[Mapping[str, Operation]] = {
    "search": _search,
    "index": _index,
    "summarise": _summarise,
    "keep_summary": _keep_summary,
}
