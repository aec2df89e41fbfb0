"""The process table: submit, drive by epoch, end, cancel, pause."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import IntegrityError

from aios.db.contexts import ANSWER
from aios.db.hot import Hot
from aios.errors import AgentEnded, NotFound, OutcomeUnknown, QueueFull
from aios.kernel.policy import Payer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Row

    from aios.db.session import Transaction
    from aios.errors import AiosError
    from aios.kernel.values import Json, JsonObject


_FOREIGN_KEY: Final = "23503"


@dataclass(frozen=True)
class Driven:
    """An agent that this process may drive, and the fence of its writes."""

    id: UUID
    epoch: int
    wakes: int
    incarnation: UUID
    root_id: UUID
    parent_id: UUID | None
    program: str
    version: str | None
    task: Json
    priority: int
    tenant: str
    generation: int
    steps: int
    children: int
    budgets: JsonObject
    tree_tokens: int
    owner: str
    groups: Sequence[str]
    access_version: int
    claimed_at: datetime
    forked_from: UUID | None = None
    forked_generation: int | None = None
    forked_at: int | None = None

    @property
    def payer(self) -> Payer:
        """Who pays for its syscalls."""
        return Payer.of(self.id, self.root_id, tenant=self.tenant, owner=self.owner, program=self.program)


class Taker(NamedTuple):
    """A process that drives an agent as soon as its request is answered."""

    incarnation: UUID
    programs: list[str]


class Taken(NamedTuple):
    """An agent that was claimed, perhaps with the answer that it waited for.

    Attributes:
        seq: the number of the answered request.
        results: all of its results, as the journal has them; none: they are to be read there.
        context: digest of the conversation with the reply.
    """

    driven: Driven
    seq: str = ""
    results: Sequence[Json] = ()
    context: bytes | None = None


class Wanted(NamedTuple):
    """The driver that an agent waits for.

    Attributes:
        somewhere: a live worker has loaded the program.
    """

    program: str
    priority: int
    somewhere: bool


class Standing(NamedTuple):
    """How urgent an agent is, and who pays for it."""

    priority: int
    payer: Payer


FREE: Final = "driver IS NULL AND state IN ('queued', 'waiting') AND program = ANY(:programs)"
"""Whether an agent may be claimed by who has loaded these programs, once it is runnable."""

DEADLINE: Final = "COALESCE(deadline_at, clock_timestamp() + make_interval(secs => (budgets ->> 'seconds')::float))"
"""When it has to have ended, counted from its first drive."""

HELD: Final = """
    EXISTS (SELECT FROM holds WHERE kind = 'tenant' AND name = tenant OR kind = 'group' AND name = ANY(groups))
"""
"""Whether an agent's tenant or one of its groups is paused."""

DRIVEN: Final = """
    driven.*, CASE WHEN budgets ? 'tokens' THEN (
        SELECT sum(tokens) FROM agents a WHERE a.root_id = driven.root_id) ELSE 0 END AS tree_tokens,
        (SELECT version FROM access_version) AS access_version, clock_timestamp() AS claimed_at
"""
"""What a driver must know of the row `driven`, for `driven`."""

# Together with the answer that the program waits for, if a process keeps it: one round trip less. An answer that was written
# while this waited for the agent's row is not seen by it; then there is none here, and the journal is read.
_CLAIM = Hot(
    text(
        f"""
    WITH driven AS (
        UPDATE agents SET epoch = epoch + 1, driver = :incarnation, state = 'running', runnable = false,
            started_at = COALESCE(started_at, clock_timestamp()), deadline_at = {DEADLINE}
        WHERE id = :id AND runnable AND {FREE}
        RETURNING *
    )
    SELECT {DRIVEN}, answer.results, answer.context,
        set_config('synchronous_commit', 'off', true)  -- a claim that is lost with Postgres is fenced by its driver
    FROM driven LEFT JOIN LATERAL (
        SELECT jsonb_agg({ANSWER} ORDER BY s.position) AS results,
               (array_agg(s.context ORDER BY s.position DESC) FILTER (WHERE s.context IS NOT NULL))[1] AS context
        FROM requests r JOIN syscalls s ON s.request_id = r.id LEFT JOIN contexts c ON c.digest = s.context
        WHERE r.agent_id = driven.id AND r.generation = driven.generation AND r.seq = :awaits AND r.pending = 0
        HAVING bool_and(s.state = 'done')
    ) answer ON true
    """  # noqa: S608  # fragments of ours; values are bound
    )
)

_GIVE_BACK = text(
    """
    UPDATE agents SET driver = NULL, runnable = true, state = CASE WHEN state = 'running' THEN 'queued' ELSE state END
    WHERE id = :id AND epoch = :epoch AND driver = :incarnation RETURNING 1
    """
)

_FAIL = text(
    """
    UPDATE agents SET driver = NULL, runnable = false, state = 'failed', error = :error, finished_at = clock_timestamp()
    WHERE id = :id AND (CAST(:epoch AS bigint) IS NULL OR epoch = :epoch)
      AND state NOT IN ('done', 'failed', 'cancelled')
    RETURNING 1
    """
).bindparams(bindparam("error", type_=JSONB(none_as_null=True)))

_DROP_OPEN = text(
    """
    UPDATE syscalls s SET state = 'cancelled', finished_at = clock_timestamp()
    FROM requests r
    WHERE r.agent_id = ANY(:ids) AND s.request_id = r.id AND s.state IN ('blocked', 'queued', 'running', 'waiting')
    RETURNING s.id, s.pool
    """
)

_CANCEL = text(
    """
    WITH RECURSIVE tree AS (
        SELECT id FROM agents WHERE id = :id
        UNION ALL
        SELECT a.id FROM agents a JOIN tree ON a.parent_id = tree.id
    ), locked AS (
        SELECT id FROM agents WHERE id IN (SELECT id FROM tree) AND state NOT IN ('done', 'failed', 'cancelled')
        ORDER BY id FOR NO KEY UPDATE
    )
    UPDATE agents a SET state = 'cancelled', runnable = false, driver = NULL, finished_at = clock_timestamp()
    FROM locked WHERE a.id = locked.id
    RETURNING a.id
    """
)

_STANDING = text("SELECT id AS agent_id, priority, root_id, tenant, owner, program FROM agents WHERE id = :id")

_RETRY = text(
    f"""
    UPDATE agents SET state = CASE WHEN {HELD} THEN 'paused' ELSE 'queued' END,
        epoch = epoch + 1,  -- no run that a worker has kept fits any more
        runnable = true, error = NULL, finished_at = NULL, deadline_at = NULL, crashes = 0
    WHERE id = :id AND state = 'failed' RETURNING priority
    """  # noqa: S608  # a fragment of ours; values are bound
)

# What was open when the agent failed was dropped (`drop_open`), so nobody will answer it: the program asks for it once more.
# A call that may be done once only, and was under way, may have been done: its outcome is not known.
_ASK_AGAIN = text(
    """
    WITH lost AS (
        UPDATE syscalls s SET state = 'unknown', error = :unknown
        FROM requests r
        WHERE r.agent_id = :id AND r.pending > 0 AND s.request_id = r.id
          AND s.state = 'cancelled' AND s.effect = 'once' AND s.claim_token IS NOT NULL
        RETURNING s.request_id
    ), told AS (
        UPDATE requests SET pending = 0 FROM lost WHERE requests.id = lost.request_id
    ), begun AS (  -- part of its plan is done: that is not done again
        SELECT s.request_id AS id, min(s.position) FILTER (WHERE s.state <> 'done') AS next
        FROM requests r JOIN syscalls s ON s.request_id = r.id
        WHERE r.agent_id = :id AND r.pending > 0 AND r.id NOT IN (SELECT request_id FROM lost)
        GROUP BY s.request_id HAVING bool_or(s.state = 'done')
    ), onward AS (
        UPDATE syscalls s SET state = CASE WHEN s.position = begun.next THEN 'queued' ELSE 'blocked' END,
            queued_at = CASE WHEN s.position = begun.next THEN clock_timestamp() END,
            claim_token = NULL, incarnation = NULL, started_at = NULL, finished_at = NULL, not_before = NULL
        FROM begun WHERE s.request_id = begun.id AND s.state = 'cancelled'
    )
    DELETE FROM requests WHERE agent_id = :id AND pending > 0 AND id NOT IN (SELECT request_id FROM lost)
        AND id NOT IN (SELECT id FROM begun)
    """
).bindparams(bindparam("unknown", type_=JSONB))

_WANTED = text(
    """
    SELECT program, priority, EXISTS (
        SELECT FROM workers w WHERE w.alive_until > clock_timestamp() AND a.program = ANY(w.programs)) AS somewhere
    FROM agents a WHERE id = :id AND runnable AND state IN ('queued', 'waiting')
    """
)

_SUBMIT = Hot(
    text(
        """
    WITH asked AS (
        SELECT (SELECT id FROM agents WHERE idempotency_key = CAST(:idempotency_key AS text)) AS known,
               CAST(:limit AS bigint) > (
                   SELECT count(*) FROM (
                       SELECT 1 FROM agents WHERE runnable AND driver IS NULL LIMIT CAST(:limit AS bigint)) AS waiting
               ) AS room,
               NOT EXISTS (SELECT FROM programs) OR EXISTS (SELECT FROM programs WHERE name = :program AND error IS NULL)
                   AS loaded,
               EXISTS (SELECT FROM holds WHERE kind = 'tenant' AND name = :tenant
                       OR kind = 'group' AND name = ANY (CAST(:groups AS text[]))) AS held
    ), made AS (
        INSERT INTO agents (id, root_id, program, task, state, priority, tenant, owner, groups, budgets, idempotency_key)
        SELECT :id, :root_id, :program, :task, CASE WHEN held THEN 'paused' ELSE :state END, :priority, :tenant, :owner,
               CAST(:groups AS text[]), :budgets, :idempotency_key
        FROM asked WHERE known IS NULL AND room AND (loaded OR :anyway)
        ON CONFLICT (idempotency_key) DO NOTHING RETURNING id
    )
    SELECT COALESCE(known, made.id) AS id, room, loaded OR :anyway AS welcome FROM asked LEFT JOIN made ON true
    """
    ).bindparams(
        bindparam("task", type_=JSONB(none_as_null=False)), bindparam("budgets", type_=JSONB(none_as_null=False))
    )
)


def submit(tx: Transaction, row: JsonObject, *, limit: int, anyway: bool = False) -> UUID | None:
    """Put an agent in the process table; gives its id, or that of the agent with the same idempotency key.

    While its tenant or one of its groups is paused, it is, too.

    Args:
        tx: the transaction to do it in.
        row: its columns (`agent_row`).
        limit: agents that may wait to be started.
        anyway: even if no worker has loaded its program; else None, and there is no agent.

    Raises:
        QueueFull: that many already wait.
    """
    while True:
        told = _SUBMIT.first(tx, {**row, "limit": limit, "anyway": anyway})
        assert told is not None
        if told["id"] is not None:
            return UUID(str(told["id"]))
        if not told["welcome"]:
            return None
        if not told["room"]:
            raise QueueFull(limit)
        # somebody came first with the same key: it is known now


def claim(tx: Transaction, agent: UUID, *, taker: Taker, awaits: str = "") -> Taken | None:
    """Take a runnable agent whose program is loaded here; None when there is nothing to take.

    Args:
        tx: the transaction to do it in.
        agent: its id.
        taker: who takes it.
        awaits: the number of the only request whose answer its program waits for, where that is known.
    """
    row = _CLAIM.first(tx, {"id": agent, "awaits": awaits, **taker._asdict()})
    return None if row is None else Taken(driven(row, taker.incarnation), awaits, row["results"] or (), row["context"])


def driven(row: Mapping[str, Any], incarnation: UUID) -> Driven:
    """The drive that a claimed row stands for."""
    fields = {name: row[name] for name in Driven.__dataclass_fields__ if name != "incarnation"}
    return Driven(**{**fields, "tree_tokens": int(row["tree_tokens"])}, incarnation=incarnation)


def give_back(tx: Transaction, driven: Driven) -> bool:
    """Leave an agent as it was before the drive, to be driven again; False: it is no longer driven by this drive."""
    values = {"id": driven.id, "epoch": driven.epoch, "incarnation": driven.incarnation}
    return tx.execute(_GIVE_BACK, values).first() is not None


def fail(tx: Transaction, agent: UUID, *, error: AiosError, epoch: int | None = None) -> bool:
    """End an agent from outside its drive and drop what it had open; False: it has ended, or `epoch` is stale."""
    if tx.execute(_FAIL, {"id": agent, "epoch": epoch, "error": error.to_json()}).first() is None:
        return False
    drop_open(tx, [agent])
    return True


def drop_open(tx: Transaction, ended: Sequence[UUID]) -> list[tuple[UUID, str]]:
    """Cancel the open syscalls of ended agents; gives them with their pools."""
    return [(row.id, row.pool) for row in tx.execute(_DROP_OPEN, {"ids": list(ended)})]


def cancel(tx: Transaction, agent: UUID) -> tuple[list[UUID], list[tuple[UUID, str]]]:
    """Cancel an agent and its descendants; gives the agents that were, and their open syscalls with their pools.

    Raises:
        NotFound: there is no such agent.
    """
    ended: list[UUID] = []
    while found := list(tx.execute(_CANCEL, {"id": agent}).scalars()):
        ended += found  # once more: a child may have been started while this waited for its parent's row
    if not ended and tx.execute(text("SELECT 1 FROM agents WHERE id = :id"), {"id": agent}).first() is None:
        raise NotFound("agent", str(agent))
    return ended, drop_open(tx, ended)


def retry(tx: Transaction, agent: UUID) -> int:
    """Make a failed agent runnable again, with all that was answered in its journal; gives its priority.

    Raises:
        NotFound: there is no such agent.
        AgentEnded: it has not failed.
    """
    found = tx.execute(_RETRY, {"id": agent}).scalar()
    if found is not None:
        tx.execute(_ASK_AGAIN, {"id": agent, "unknown": OutcomeUnknown("a call that was under way").to_json()})
        return int(found)
    state = tx.execute(text("SELECT state FROM agents WHERE id = :id"), {"id": agent}).scalar()
    if state is None:
        raise NotFound("agent", str(agent))
    raise AgentEnded(str(agent), state)


@contextmanager
def owning(agent: UUID | None) -> Iterator[None]:
    """Make a row that belongs to an agent inside.

    Raises:
        NotFound: the agent is not there (any more).
    """
    try:
        yield
    except IntegrityError as error:
        if getattr(error.orig, "sqlstate", None) != _FOREIGN_KEY:
            raise
        raise NotFound("agent", str(agent)) from error


def lock(tx: Transaction, agent: UUID) -> None:
    """Keep everybody else from writing an agent's row before this transaction ends."""
    tx.execute(text("SELECT 1 FROM agents WHERE id = :id FOR NO KEY UPDATE"), {"id": agent})


def root_of(tx: Transaction, agent: UUID) -> UUID | None:
    """The root of the spawn tree that an agent is in; None: there is no such agent."""
    root: UUID | None = tx.execute(text("SELECT root_id FROM agents WHERE id = :id"), {"id": agent}).scalar()
    return root


def wanted(tx: Transaction, agent: UUID) -> Wanted | None:
    """What an agent that waits for a driver needs; None when it waits for none."""
    row = tx.execute(_WANTED, {"id": agent}).first()
    return None if row is None else Wanted(*row)


def standing(tx: Transaction, agent: UUID) -> Standing:
    """What the scheduler must know of an agent."""
    row = tx.execute(_STANDING, {"id": agent}).one()
    return Standing(row.priority, payer_in(row))


def payer_in(row: Row[tuple[object, ...]]) -> Payer:
    """Who pays for the agent that a row tells of: agent_id, root_id, tenant, owner and program."""
    return Payer.of(row.agent_id, row.root_id, tenant=row.tenant, owner=row.owner, program=row.program)
