"""Contexts in Postgres: each row holds the messages added to its parent, under the digest of the whole conversation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from aios.db.hot import Hot

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

GROWN = f"""
    grown AS (
        INSERT INTO contexts (digest, parent, messages, length)
        SELECT decode(d.digest, 'hex'), decode(d.parent, 'hex'), d.messages, d.length
        FROM closed, json_to_recordset(:deltas) AS d (digest text, parent text, messages jsonb, length integer)
        ON CONFLICT (digest) DO UPDATE SET used_at = clock_timestamp() WHERE contexts.{_STALE}
    )
"""  # noqa: S608  # fragments of ours; values are bound
"""Stores deltas, each digest once, if `closed` has a row; nothing happens to a conversation that is already there."""

_USE = text("UPDATE contexts SET used_at = clock_timestamp() WHERE digest = :digest RETURNING 1")

CONVERSATION = """
    WITH RECURSIVE chain AS (
        SELECT parent, messages, length FROM contexts WHERE digest = {digest}
        UNION ALL
        SELECT c.parent, c.messages, c.length FROM contexts c JOIN chain ON c.digest = chain.parent
    )
    SELECT jsonb_agg(messages ORDER BY length) FROM chain
"""
"""Selects the deltas of a conversation, for `joined`."""


ANSWER = """
    CASE WHEN c.digest IS NULL THEN s.result
         ELSE s.result || jsonb_build_object('message', c.messages -> -1, 'usage', s.usage, 'core', s.core) END
"""
"""What the syscall `s` gave, as its program gets it; `c` is the context that it ended in, if any."""


def delta(
    tx: Transaction, messages: Sequence[JsonObject], prefixes: Sequence[bytes], *, known: bytes | None = None
) -> JsonObject | None:
    """What of a conversation is to be stored yet, as a row for `GROWN`; None: it is all there.

    Args:
        tx: where to look for what is stored of it.
        messages: the conversation.
        prefixes: the digest of each of its prefixes, shortest first.
        known: one of them that is stored for as long as it is needed: nothing is looked up.
    """
    if known is None:
        known = _longest_known(tx, prefixes[-_RECENT:]) or _longest_known(tx, prefixes[:-_RECENT])
    start = prefixes.index(known) + 1 if known else 0
    if start == len(messages):
        return None
    return {
        "digest": prefixes[-1].hex(),
        "parent": known.hex() if known else None,
        "messages": list(messages[start:]),
        "length": len(messages),
    }


def joined(deltas: list[list[JsonObject]] | None) -> list[JsonObject]:
    """The messages of a conversation's deltas."""
    return [message for delta in deltas or [] for message in delta]


def _longest_known(tx: Transaction, digests: Sequence[bytes]) -> bytes | None:
    while digests:
        found = _KNOWN.first(tx, {"digests": list(digests)})
        if found is None:
            break
        if not found["stale"] or tx.execute(_USE, {"digest": found["digest"]}).first() is not None:
            return bytes(found["digest"])
        # it was swept between the two statements: look again
    return None
