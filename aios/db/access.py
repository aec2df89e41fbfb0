"""Grants and groups. Each change adds one to their version, so that no worker goes on deciding by what it has cached.

A change takes the version's table for itself (`_CLOSE`). Whoever records a drive reads that table in the recording statement,
and Postgres locks a statement's tables before it takes its snapshot: so a change waits for the statements that began before
it, and those that come after see the new version. When `revoke` has returned, nothing more is journalled by the old rules.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypeVar

from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from aios.db import audit
from aios.errors import DatabaseUnavailable, NotFound
from aios.kernel.access import Book, Rule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

    from aios.db.session import Database, Transaction
    from aios.kernel.values import JsonObject

T = TypeVar("T")

_TRIES: Final = 20
_PAUSE_SECONDS: Final = 0.1
_LOCKED: Final = "55P03"  # lock_not_available

# Everybody's drives stand still while a change waits here: not long, then it makes room and tries again.
_CLOSE = ("SET LOCAL lock_timeout = '250ms'", "LOCK TABLE access_version IN ACCESS EXCLUSIVE MODE")

_BOOK = text(
    """
    SELECT version, (
        SELECT jsonb_agg(jsonb_build_array(principal, operation, pattern, allow, extract(epoch FROM expires_at)))
        FROM grants WHERE expires_at IS NULL OR expires_at > clock_timestamp()
    ) AS rules, (
        SELECT jsonb_agg(jsonb_build_array(member, name)) FROM group_members
    ) AS members
    FROM access_version
    """
)

_GRANT = text(
    """
    INSERT INTO grants (id, principal, operation, pattern, allow, reason, granted_by, expires_at)
    VALUES (:id, :principal, :operation, :pattern, :allow, :reason, :granted_by,
            clock_timestamp() + make_interval(secs => :seconds))
    """
)

_GRANTS = text(
    """
    SELECT id, principal, operation, pattern, allow, reason, granted_by, created_at, expires_at FROM grants
    WHERE (CAST(:principal AS text) IS NULL OR principal = :principal)
      AND (expires_at IS NULL OR expires_at > clock_timestamp())
    ORDER BY principal, created_at
    """
)

_REVOKE = text("DELETE FROM grants WHERE id = :id RETURNING principal, operation, pattern, allow")

_JOIN = text(
    "INSERT INTO group_members (name, member, added_by) VALUES (:name, :member, :by) ON CONFLICT DO NOTHING RETURNING 1"
)
_LEAVE = text("DELETE FROM group_members WHERE name = :name AND member = :member RETURNING 1")
_MEMBERS = text("SELECT name, member, added_by, added_at FROM group_members ORDER BY name, member")


def changing(database: Database, change: Callable[[Transaction], T]) -> T:
    """Do something to the rules in a transaction in which nobody records by the old ones.

    Raises:
        DatabaseUnavailable: Postgres does not answer, or somebody kept the version's table, or a row, for too long.
    """
    for _ in range(_TRIES):
        try:
            with database.transaction() as tx, _closed(tx):
                return change(tx)
        except _Busy:
            time.sleep(_PAUSE_SECONDS)
    raise DatabaseUnavailable(database.where, "somebody keeps the table access_version, or a row; try again")


def book(tx: Transaction) -> Book:
    """All rules that have not expired, and all groups, as of one instant."""
    row = tx.execute(_BOOK).one()
    rules: dict[str, list[Rule]] = {}
    for principal, operation, pattern, allow, expires in row.rules or ():
        until = None if expires is None else datetime.fromtimestamp(float(expires), UTC)
        rules.setdefault(principal, []).append(Rule(principal, operation, pattern, allow, until))
    groups: dict[str, set[str]] = {}
    for member, name in row.members or ():
        groups.setdefault(member, set()).add(name)
    return Book(int(row.version), rules, {member: frozenset(names) for member, names in groups.items()})


def grant(tx: Transaction, row: JsonObject) -> None:
    """Add a rule: id, principal, operation, pattern, allow, reason, granted_by, seconds (None: for good)."""
    tx.execute(_GRANT, row)
    told = {name: row[name] for name in ("principal", "operation", "allow", "reason", "seconds")}
    audit.write(tx, actor=row["granted_by"], action="granted", resource=row["pattern"], detail=told)


def grants(tx: Transaction, *, principal: str | None = None) -> list[JsonObject]:
    """The rules that have not expired: of one principal, or all."""
    return [dict(row) for row in tx.execute(_GRANTS, {"principal": principal}).mappings()]


def revoke(tx: Transaction, rule: UUID, *, by: str) -> JsonObject:
    """Remove a rule; gives what it was.

    Raises:
        NotFound: there is none.
    """
    row = tx.execute(_REVOKE, {"id": rule}).mappings().first()
    if row is None:
        raise NotFound("grant", str(rule))
    audit.write(tx, actor=by, action="revoked", resource=row["pattern"], detail={**row, "id": str(rule)})
    return dict(row)


def join(tx: Transaction, group: str, member: str, *, by: str) -> bool:
    """Add a principal to a group; False: it was in it."""
    if tx.execute(_JOIN, {"name": group, "member": member, "by": by}).first() is None:
        return False
    audit.write(tx, actor=by, action="joined", resource=f"group:{group}", detail={"member": member})
    return True


def leave(tx: Transaction, group: str, member: str, *, by: str) -> None:
    """Remove a principal from a group.

    Raises:
        NotFound: it is not in it.
    """
    if tx.execute(_LEAVE, {"name": group, "member": member}).first() is None:
        raise NotFound(f"member of group {group!r}", member)
    audit.write(tx, actor=by, action="left", resource=f"group:{group}", detail={"member": member})


def members(tx: Transaction) -> list[JsonObject]:
    """Every group's members: name, member, added_by, added_at."""
    return [dict(row) for row in tx.execute(_MEMBERS).mappings()]


class _Busy(Exception):  # rolls back the transaction; never leaves this module
    """The version's table, or a row that the change is about, was not to be had in time."""


@contextmanager
def _closed(tx: Transaction) -> Iterator[None]:
    """Change the rules inside, where the limit on waiting goes for every lock: everybody's drives wait for this one."""
    try:
        for statement in _CLOSE:
            tx.exec_driver_sql(statement)
        tx.exec_driver_sql("UPDATE access_version SET version = version + 1")
        yield
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) != _LOCKED:
            raise
        raise _Busy from error
