"""Contexts in Postgres: each row holds the messages added to its parent, under the digest of the whole conversation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert

from aios.db.hot import Hot
from aios.db.tables import contexts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aios.db.session import Transaction
    from aios.kernel.values import JsonObject

_RECENT = 4  # a conversation usually grows by a reply and a question: look for a stored prefix there first

# What nothing refers to is swept when it has not been used for an hour (db/retention.py). A reference that is being made is
# not seen by the sweep, so using an old context makes it young; a young one is only read.
_STALE = "used_at < clock_timestamp() - interval '30 minutes'"

_KNOWN = Hot(
    text(
        f"SELECT digest, {_STALE} AS stale FROM contexts WHERE digest = ANY(:digests) ORDER BY length DESC LIMIT 1"  # noqa: S608
    )
)

_USE = text("UPDATE contexts SET used_at = clock_timestamp() WHERE digest = :digest RETURNING 1")

_MESSAGES = Hot(
    text(
        """
    WITH RECURSIVE chain AS (
        SELECT parent, messages, length FROM contexts WHERE digest = :digest
        UNION ALL
        SELECT c.parent, c.messages, c.length FROM contexts c JOIN chain ON c.digest = chain.parent
    )
    SELECT messages FROM chain ORDER BY length
    """
    )
)


def store(tx: Transaction, messages: Sequence[JsonObject], prefixes: Sequence[bytes]) -> bytes:
    """Store what is new of a conversation as one delta; gives the digest of the whole.

    Args:
        tx: the transaction to do it in.
        messages: the conversation.
        prefixes: the digest of each of its prefixes, shortest first.
    """
    known = _longest_known(tx, prefixes[-_RECENT:]) or _longest_known(tx, prefixes[:-_RECENT])
    start = prefixes.index(known) + 1 if known else 0
    if start < len(messages):
        append(tx, messages[start:], parent=known, digest=prefixes[-1], length=len(messages))
    return prefixes[-1]


def append(
    tx: Transaction, messages: Sequence[JsonObject], *, parent: bytes | None, digest: bytes, length: int | None = None
) -> None:
    """Store one delta; nothing happens when the same conversation is already there.

    Args:
        tx: the transaction to do it in.
        messages: what is added to `parent`.
        parent: digest of the context it is added to; None for a new conversation.
        digest: digest of the conversation with them.
        length: messages in all; None: the parent's and these.
    """
    total = length
    if total is None:
        found = tx.execute(text("SELECT length FROM contexts WHERE digest = :parent"), {"parent": parent}).scalar()
        total = int(found or 0) + len(messages)
    row = {"digest": digest, "parent": parent, "messages": list(messages), "length": total}
    use = {"used_at": text("clock_timestamp()")}
    where = text(f"contexts.{_STALE}")
    tx.execute(insert(contexts).values(row).on_conflict_do_update(index_elements=["digest"], set_=use, where=where))


def load(tx: Transaction, digest: bytes) -> list[JsonObject]:
    """The whole conversation."""
    return [message for delta in _MESSAGES.all(tx, {"digest": digest}) for message in delta["messages"]]


def _longest_known(tx: Transaction, digests: Sequence[bytes]) -> bytes | None:
    while digests:
        found = _KNOWN.first(tx, {"digests": list(digests)})
        if found is None:
            break
        if not found["stale"] or tx.execute(_USE, {"digest": found["digest"]}).first() is not None:
            return bytes(found["digest"])
        # it was swept between the two statements: look again
    return None
