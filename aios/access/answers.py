"""Answers to approvals: yes, no, yes with other arguments, or nothing in time. Each is one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aios.db import access, approvals, audit, syscalls
from aios.errors import AccessDenied, AiosError, ApprovalDenied, InvalidArgument, NotFound
from aios.kernel.access import Subject, check_pattern
from aios.kernel.approval import Kind, bound, edited
from aios.kernel.asks import asks
from aios.kernel.ids import new_id
from aios.kernel.request import Request
from aios.log import logger

if TYPE_CHECKING:
    from uuid import UUID

    from aios.db.session import Database, Transaction
    from aios.kernel.values import Json, JsonObject
    from aios.settings import AccessSettings

log = logger(__name__)

_NOBODY = "nobody"


@dataclass(frozen=True)
class Answer:
    """What a human says.

    Attributes:
        by: who: a principal.
        edit: what to change in the arguments; None: nothing.
        version: of the file that they looked at; None: the one that was asked about.
    """

    by: str
    note: str = ""
    edit: JsonObject | None = None
    version: int | None = None


def approve(database: Database, approval: UUID, answer: Answer) -> UUID:
    """Let a syscall go on; gives its agent, which is to be rung.

    Raises:
        NotFound: there is no such approval.
        InvalidArgument: it is decided already, the edit does not fit, or the file has changed since it was asked about.
        AccessDenied: the edited arguments name what the agent may not reach.
    """
    with database.statement() as tx:
        row = _waiting(approvals.get(tx, approval), approval)
    if row["kind"] == Kind.PRIVILEGES:
        return access.changing(database, lambda tx: _privilege(tx, approval, answer))
    with database.transaction() as tx:
        return _let_go(tx, _waiting(approvals.lock(tx, approval), approval), answer)


def deny(database: Database, approval: UUID, answer: Answer, *, state: str = "denied") -> UUID:
    """Refuse a syscall: its program gets `ApprovalDenied`. Gives its agent, which is to be rung.

    Raises:
        NotFound: there is no such approval.
        InvalidArgument: it is decided already.
    """
    with database.transaction() as tx:
        row = _waiting(approvals.lock(tx, approval), approval)
        approvals.decide(tx, approval, state=state, by=answer.by, note=answer.note, version=row["version"])
        _tell(tx, row, answer, action=f"approval.{state}")
        error = ApprovalDenied(row["operation"], row["resource"], answer.by, answer.note)
        syscalls.answer(tx, id=row["syscall_id"], agent_id=row["agent_id"], error=error)
    agent: UUID = row["agent_id"]
    return agent


def expire(database: Database, settings: AccessSettings) -> list[UUID]:
    """Answer what nobody answered in time, as the settings say; gives the agents, which are to be rung."""
    with database.statement() as tx:
        late = approvals.expired(tx)
    woken: list[UUID] = []
    for approval in late:
        try:
            if settings.unanswered == "allow":
                answer = Answer(_NOBODY, "the settings allow what nobody answers")
                woken.append(approve(database, approval, answer))
            else:
                woken.append(deny(database, approval, Answer(_NOBODY, "nobody answered in time"), state="expired"))
        except AiosError as error:  # somebody answered at this very moment, or the file has changed
            log.info("approval %s: %s", approval, error)
            _end_late(database, approval, settings)
    return woken


def _end_late(database: Database, approval: UUID, settings: AccessSettings) -> None:
    """What cannot be allowed although nobody answered is refused: else it would be looked at in every tick."""
    if settings.unanswered != "allow":
        return
    try:
        deny(database, approval, Answer(_NOBODY, "nobody answered in time"), state="expired")
    except AiosError as error:
        log.info("approval %s: %s", approval, error)


def _waiting(row: JsonObject | None, approval: UUID) -> JsonObject:
    if row is None:
        raise NotFound("approval", str(approval))
    if row["state"] != "waiting":
        raise InvalidArgument("approval", str(approval), f"it was {row['state']} by {row['decided_by']}")
    if row["syscall_state"] != "waiting":
        raise InvalidArgument("approval", str(approval), f"nothing waits for it: its syscall is {row['syscall_state']}")
    return row


def _let_go(tx: Transaction, row: JsonObject, answer: Answer) -> UUID:
    arguments = _edited(tx, row, answer)
    approvals.decide(
        tx,
        row["id"],
        state="approved",
        by=answer.by,
        note=answer.note,
        edited=arguments if answer.edit else None,
        digest=bound(arguments),
        version=_version(tx, row, answer),
    )
    payload = row["payload"] if "calls" in row["arguments"] else arguments
    approvals.let_go(tx, row["syscall_id"], approval=row["id"], payload=payload)
    _tell(tx, row, answer, action="approval.approved")
    agent: UUID = row["agent_id"]
    return agent


def _privilege(tx: Transaction, approval: UUID, answer: Answer) -> UUID:
    row = _waiting(approvals.lock(tx, approval), approval)
    asked = {**row["arguments"], **(answer.edit or {})}
    grant = new_id()
    access.grant(
        tx,
        {
            "id": grant,
            "principal": f"agent:{row['agent_id']}",
            "operation": asked["operation"],
            "pattern": check_pattern(asked["resource"]),
            "allow": True,
            "reason": asked.get("reason", ""),
            "granted_by": answer.by,
            "seconds": asked.get("seconds"),
        },
    )
    approvals.decide(tx, approval, state="approved", by=answer.by, note=answer.note, edited=answer.edit)
    _tell(tx, row, answer, action="approval.approved")
    syscalls.answer(tx, id=row["syscall_id"], agent_id=row["agent_id"], result=str(grant))
    agent: UUID = row["agent_id"]
    return agent


def _edited(tx: Transaction, row: JsonObject, answer: Answer) -> JsonObject:
    """The arguments as they are approved: what they name, the agent itself must be allowed to reach."""
    arguments: JsonObject = row["arguments"]
    if not answer.edit:
        return arguments
    changed = edited(arguments, answer.edit)
    unknown = sorted(changed.keys() - arguments.keys())
    if unknown:
        raise InvalidArgument("edit", unknown[0], "change what is there: " + ", ".join(sorted(arguments)))
    if _fixed(changed) != _fixed(arguments):
        raise InvalidArgument("edit", _fixed(changed), f"what was asked about stays: {_fixed(arguments)}")
    if row["pool"] == "storage":
        _check_reach(tx, row, changed)
    return changed


def _fixed(arguments: JsonObject) -> Json:
    """What no edit may change: the tools that are called, in their order, and the paths."""
    calls = arguments.get("calls")
    if isinstance(calls, list):
        return [call.get("function", {}).get("name") if isinstance(call, dict) else call for call in calls]
    return [arguments.get(name) for name in ("tool", "path", "source")]


def _check_reach(tx: Transaction, row: JsonObject, arguments: JsonObject) -> None:
    subject = Subject(str(row["agent_id"]), row["tenant"], row["owner"], frozenset(row["groups"]))
    book, now = access.book(tx), approvals.clock(tx)
    for ask in asks(Request(row["pool"], row["op"], arguments), row["agent_id"]):
        verdict = book.decide(subject, ask, now=now)
        if not verdict.allowed:
            raise AccessDenied(f"agent:{subject.agent}", ask.operation, ask.resource, verdict.why)


def _version(tx: Transaction, row: JsonObject, answer: Answer) -> int | None:
    """The version that the answer is about: whoever says yes must have seen the file as it is."""
    if row["version"] is None:
        return None
    seen: int = row["version"] if answer.version is None else answer.version
    found = approvals.file(tx, row["resource"].removeprefix("file:"))
    if found.version != seen:
        remedy = f"the file is at version {found.version}: look at it again, then approve with version {found.version}"
        raise InvalidArgument("version", seen, remedy)
    return seen


def _tell(tx: Transaction, row: JsonObject, answer: Answer, *, action: str) -> None:
    detail = {"approval": str(row["id"]), "kind": row["kind"], "note": answer.note, "edit": answer.edit}
    audit.write(tx, actor=answer.by, action=action, resource=row["resource"], agent=row["agent_id"], detail=detail)
