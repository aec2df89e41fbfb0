"""The client's side of access: grants, groups, approvals and the audit log. Whoever has the database's URL is an operator."""

from __future__ import annotations

import getpass
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from aios.access import answers
from aios.access.answers import Answer
from aios.db import access, approvals, audit, steering, views
from aios.dispatch import bells_of
from aios.errors import InvalidArgument, NotFound
from aios.kernel import audit as chain
from aios.kernel.access import Ask, Subject, Verdict, check_operation, check_pattern, check_principal
from aios.kernel.ids import new_id, parse_id
from aios.kernel.values import JsonObject, canonical

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from aios.bootstrap.parts import Parts
    from aios.kernel.audit import Verified

_PART = re.compile(r"[0-9a-fA-F-]{6,35}")


class AccessControl:
    """What a client can do about access."""

    _parts: Parts

    # --- rules ------------------------------------------------------------------------------------------------------------

    def grant(
        self,
        principal: str,
        operation: str,
        resource: str,
        *,
        deny: bool = False,
        expires: timedelta | None = None,
        reason: str = "",
        by: str | None = None,
    ) -> str:
        """Allow somebody something, or deny it; gives the rule's id. A deny wins over every allow and over ownership.

        Args:
            principal: `tenant:NAME`, `user:NAME`, `agent:ID` or `group:NAME`.
            operation: `read`, `write`, `delete`, `share`, `call`, `spawn`, `wait`, `signal`, or `*` for all.
            resource: `KIND:NAME`; `*` stands for anything within a segment, `**` for any number of segments.
            deny: forbid it instead.
            expires: how long it holds; None: for good.
            reason: kept with it.
            by: who grants it, for the audit log; None: this process' user.

        Raises:
            InvalidArgument: one of them is none.
        """
        row = {
            "id": new_id(),
            "principal": check_principal(principal),
            "operation": check_operation(operation),
            "pattern": check_pattern(resource),
            "allow": not deny,
            "reason": reason,
            "granted_by": by or _me(),
            "seconds": _seconds(expires),
        }
        access.changing(self._parts.database, lambda tx: access.grant(tx, row))
        return str(row["id"])

    def revoke(self, grant: str, *, by: str | None = None) -> JsonObject:
        """Remove a rule; when this returns, nothing more is journalled by it. Gives what it was.

        Raises:
            NotFound: there is none.
        """
        rule = parse_id(grant, kind="grant")
        return access.changing(self._parts.database, lambda tx: access.revoke(tx, rule, by=by or _me()))

    def grants(self, principal: str | None = None) -> Sequence[JsonObject]:
        """The rules that hold: of one principal, or all."""
        with self._parts.database.statement() as tx:
            return access.grants(tx, principal=principal and check_principal(principal))

    def join_group(self, group: str, member: str, *, by: str | None = None) -> bool:
        """Add `agent:ID`, `user:NAME` or `tenant:NAME` to a group; False: it was in it.

        Raises:
            InvalidArgument: it is no principal, or a group itself.
        """
        name = check_principal(f"group:{group}").removeprefix("group:")
        if check_principal(member).startswith("group:"):
            raise InvalidArgument("member", member, "a group's members are agents, users and tenants")
        return access.changing(self._parts.database, lambda tx: access.join(tx, name, member, by=by or _me()))

    def leave_group(self, group: str, member: str, *, by: str | None = None) -> None:
        """Remove a principal from a group.

        Raises:
            NotFound: it is not in it.
        """
        access.changing(self._parts.database, lambda tx: access.leave(tx, group, member, by=by or _me()))

    def group_members(self) -> Sequence[JsonObject]:
        """Every group's members. What an agent was submitted with is told by `get(agent)["groups"]`."""
        with self._parts.database.statement() as tx:
            return access.members(tx)

    def allowed(self, agent: str, operation: str, resource: str) -> Verdict:
        """Whether an agent may do something now, and why.

        Raises:
            NotFound: there is no such agent.
        """
        with self._parts.database.statement() as tx:
            row, book, now = views.agent(tx, parse_id(agent)), access.book(tx), audit.clock(tx)
        if row is None:
            raise NotFound("agent", agent)
        subject = Subject(str(row["id"]), row["tenant"], row["owner"], frozenset(row["groups"]))
        return book.decide(subject, Ask(check_operation(operation), check_pattern(resource)), now=now)

    # --- approvals --------------------------------------------------------------------------------------------------------

    def approvals(self, agent: str | None = None, *, every: bool = False) -> Sequence[JsonObject]:
        """Questions that wait for a human, oldest first; with `every` those that were answered too."""
        with self._parts.database.statement() as tx:
            return approvals.listing(tx, agent=parse_id(agent) if agent else None, every=every)

    def find_approval(self, part: str) -> str:
        """The id of the one approval whose id begins or ends with `part`, at least 6 characters; `last`: the newest that waits.

        Raises:
            NotFound: there is none.
            InvalidArgument: there are several.
        """
        if part in {"last", "-"}:
            open_ = self.approvals()
            if not open_:
                raise NotFound("approval", part)
            return str(open_[-1]["id"])
        if not _PART.fullmatch(part):
            return str(parse_id(part, kind="approval"))
        with self._parts.database.statement() as tx:
            found = approvals.matching(tx, part.lower())
        if not found:
            raise NotFound("approval", part)
        if len(found) > 1:
            raise InvalidArgument(
                "approval", part, f"several match, such as {found[0]} and {found[1]}; give more of it"
            )
        return str(found[0])

    def approve(
        self,
        approval: str,
        *,
        note: str = "",
        edit: JsonObject | None = None,
        version: int | None = None,
        by: str | None = None,
    ) -> None:
        """Let a syscall that waits go on.

        Args:
            approval: its id.
            note: kept with it.
            edit: what to change in the arguments first.
            version: of the file that was looked at, if it has changed since the question.
            by: who approves, for the audit log; None: this process' user.

        Raises:
            NotFound: there is no such approval.
            InvalidArgument: it is decided, the edit does not fit, or the file has changed.
            AccessDenied: the edit names what the agent may not reach.
        """
        canonical(edit, what="the edit")
        answer = Answer(by or _me(), note, edit, version)
        self._go_on(answers.approve(self._parts.database, parse_id(approval, kind="approval"), answer))

    def deny(self, approval: str, *, note: str = "", by: str | None = None) -> None:
        """Refuse a syscall that waits: its program gets `ApprovalDenied`, which it may catch.

        Raises:
            NotFound: there is no such approval.
            InvalidArgument: it is decided.
        """
        answer = Answer(by or _me(), note)
        self._go_on(answers.deny(self._parts.database, parse_id(approval, kind="approval"), answer))

    # --- the audit log ----------------------------------------------------------------------------------------------------

    def audit(self, *, action: str | None = None, agent: str | None = None, limit: int = 100) -> Sequence[JsonObject]:
        """The newest rows of the audit log, newest first; `action="approval"` finds `approval.asked` and its like.

        Raises:
            InvalidArgument: there is no such action.
        """
        with self._parts.database.statement() as tx:
            return audit.listing(tx, action=action, agent=parse_id(agent) if agent else None, limit=limit)

    def verify_audit(self) -> Verified:
        """Read the whole audit log and compare it with its chain of hashes."""
        with self._parts.database.transaction() as tx:
            tx.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            return chain.verify(audit.entries(tx), now=audit.clock(tx))

    def _go_on(self, agent: UUID) -> None:
        with self._parts.database.statement() as tx:
            bells = bells_of(steering.waiting(tx, [agent]))
        self._parts.dispatch.ring(add=bells)


def _me() -> str:
    try:
        return f"user:{getpass.getuser()}"
    except (KeyError, OSError):  # a container's user without a name
        return "user:unknown"


def _seconds(expires: timedelta | None) -> float | None:
    if expires is None:
        return None
    if expires <= timedelta(0):
        raise InvalidArgument("expires", str(expires), "give a duration that is longer than nothing")
    if datetime.now(UTC) > datetime.max.replace(tzinfo=UTC) - expires:
        raise InvalidArgument("expires", str(expires), "nothing lasts that long")
    return expires.total_seconds()
