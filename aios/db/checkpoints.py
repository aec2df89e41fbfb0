"""Checkpoints of generations: one row per slice, with its tokens, and where the state at its end is kept.

Each write checks the claim, as every write of a syscall does: what a worker writes that was declared dead meanwhile is lost.
A generation that begins again overwrites its slices one by one, and the first of them forgets those behind it.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from aios.kernel.ports import Token
from aios.kernel.slices import Partial

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import Row

    from aios.db.session import Database, Transaction
    from aios.kernel.ports import Boundary, Claimed

_LOAD = text(
    "SELECT slice, attempt, tokens, lengths, text, state_ref FROM checkpoints WHERE syscall_id = :id ORDER BY slice"
)

_SAVE = text(
    """
    WITH mine AS (
        SELECT id FROM syscalls WHERE id = :id AND claim_token = :token AND state = 'running' FOR NO KEY UPDATE
    ), later AS (
        DELETE FROM checkpoints c USING mine WHERE c.syscall_id = mine.id AND c.slice > :slice
    )
    INSERT INTO checkpoints (syscall_id, slice, attempt, seed, tokens, lengths, text, state_ref)
    SELECT mine.id, :slice, :attempt, :seed, :tokens, :lengths, :text, :state FROM mine
    ON CONFLICT (syscall_id, slice) DO UPDATE
    SET attempt = EXCLUDED.attempt, seed = EXCLUDED.seed, tokens = EXCLUDED.tokens, lengths = EXCLUDED.lengths,
        text = EXCLUDED.text, state_ref = EXCLUDED.state_ref, created_at = clock_timestamp()
    RETURNING set_config('synchronous_commit', 'off', true) -- one that is lost with Postgres costs time: it begins again
    """
).bindparams(bindparam("state", type_=JSONB(none_as_null=True)))

_CLEAR = text("DELETE FROM checkpoints WHERE syscall_id = :id")


def load(tx: Transaction, syscall: UUID) -> Partial | None:
    """A generation as far as its last boundary; None: it has none yet."""
    rows = tx.execute(_LOAD, {"id": syscall}).all()
    tokens: list[Token] = []
    for row in rows:
        tokens += _tokens(row, first=len(tokens) + 1)
    claims = len({row.attempt for row in rows})
    return Partial(rows[-1].slice, tuple(tokens), rows[-1].state_ref, claims) if rows else None


def save(tx: Transaction, call: Claimed, boundary: Boundary) -> bool:
    """Keep a boundary; False when the claim is no longer ours and nothing was kept."""
    partial = boundary.partial
    fresh = partial.tokens[len(partial.tokens) - boundary.fresh :]
    values = {
        "id": call.id,
        "token": call.token,
        "slice": partial.slice,
        "attempt": call.attempt,
        "seed": boundary.seed,
        "tokens": [token.id for token in fresh],
        "lengths": [len(token.text) for token in fresh],
        "text": "".join(token.text for token in fresh),
        "state": partial.state,
    }
    return tx.execute(_SAVE, values).first() is not None


def clear(tx: Transaction, syscall: UUID) -> None:
    """Forget a generation that is complete."""
    tx.execute(_CLEAR, {"id": syscall})


class StoredCheckpoints:
    """The port `Checkpoints` on Postgres."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def load(self, call: Claimed) -> Partial | None:
        """A generation as far as its last boundary."""
        with self._database.statement() as tx:
            return load(tx, call.id)

    def save(self, call: Claimed, boundary: Boundary) -> bool:
        """Keep a boundary."""
        with self._database.statement() as tx:
            return save(tx, call, boundary)

    def clear(self, tx: Transaction, call: Claimed) -> None:
        """Forget a generation, in the transaction that completes its syscall."""
        clear(tx, call.id)


def _tokens(row: Row[tuple[object, ...]], *, first: int) -> list[Token]:
    ends = list(accumulate(row.lengths))
    pieces = [row.text[end - length : end] for end, length in zip(ends, row.lengths, strict=True)]
    return [Token(index, id_, piece) for index, (id_, piece) in enumerate(zip(row.tokens, pieces, strict=True), first)]
