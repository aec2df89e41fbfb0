"""What stands between a claim and its execution: a human's answer is checked once more, and a model's wishes are asked about.

An answer is about the arguments that a human saw, and about a version of a file. Both are compared here, the version in the
transaction that has the effect. Where a model chose the arguments they are known only now: the syscall then waits, its claim
is given up, and no slot or worker is held.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aios.db import approvals, audit
from aios.errors import ApprovalVoid
from aios.kernel.approval import bound
from aios.kernel.ids import new_id
from aios.kernel.words import Pool

if TYPE_CHECKING:
    from uuid import UUID

    from aios.db.session import Database, Transaction
    from aios.errors import DeniedError
    from aios.kernel.ports import Claimed, Outcome
    from aios.kernel.values import Json, JsonObject
    from aios.settings import AccessSettings


@dataclass(frozen=True)
class Parked:
    """A syscall that must wait for a human; `row` is the question."""

    row: JsonObject


@dataclass(frozen=True)
class Passed:
    """A syscall that may be executed: as `call` says, and what it does is written down by `finish`."""

    call: Claimed
    approval: JsonObject | None = None

    def finish(self, outcome: Outcome) -> Outcome:
        """The outcome of an approved syscall, whose effect compares the file's version and tells the audit log."""
        if self.approval is None:
            return outcome
        approval, effect = self.approval, outcome.effect

        def approved(tx: Transaction) -> Json:
            _compare_version(tx, approval)
            _tell(tx, self.call, approval)
            result = effect(tx) if effect is not None else outcome.result
            if approval["version"] == 0:  # nothing was there to be held: what somebody has made since was not approved
                _compare_version(tx, approval)
            return result

        return replace(outcome, effect=approved, clauses=None)


@dataclass(frozen=True)
class Gate:
    """Lets claimed syscalls through, or makes them wait. Costs nothing for those that nobody has to approve."""

    database: Database
    settings: AccessSettings

    def admit(self, call: Claimed) -> Passed | Parked:
        """Whether a claimed syscall may be executed now.

        Raises:
            ApprovalVoid: what was approved is not what would be done.
        """
        if call.approval is not None:
            return self._approved(call, call.approval)
        if (call.pool, call.op) != (Pool.TOOL, "run") or "ask" not in call.payload:
            return Passed(call)
        ask = call.payload["ask"]
        wished = [wish for wish in _wishes(call) if wish["function"]["name"] in ask]
        if wished:
            return Parked(
                self._question(call, kind=ask[wished[0]["function"]["name"]], tool=wished[0]["function"]["name"])
            )
        return Passed(_plain(call))

    def _question(self, call: Claimed, *, kind: str, tool: str) -> JsonObject:
        arguments = {"calls": _wishes(call)}
        return {
            "id": new_id(),
            "syscall": call.id,
            "token": call.token,
            "agent": call.agent_id,
            "kind": kind,
            "operation": "call",
            "resource": f"tool:{tool}",
            "arguments": arguments,
            "digest": bound(arguments),
            "seconds": self.settings.approval_seconds,
            "detail": {"kind": kind, "operation": "call", "arguments": arguments},
        }

    def _approved(self, call: Claimed, approval: UUID) -> Passed:
        with self.database.statement() as tx:
            row = approvals.get(tx, approval)
        if row is None or row["state"] != "approved":
            raise ApprovalVoid(call.op, f"{call.pool}.{call.op}", "it was taken back")
        model = (call.pool, call.op) == (Pool.TOOL, "run")
        arguments = {"calls": _wishes(call)} if model else call.payload
        shown = row["edited"] or row["arguments"]
        if bound(shown) != bytes(row["digest"]) or bound(row["arguments"] if model else shown) != bound(arguments):
            raise ApprovalVoid(row["operation"], row["resource"], "its arguments are not those that were approved")
        return Passed(_plain(_with_wishes(call, shown["calls"])) if model else call, row)


def tell_denied(tx: Transaction, call: Claimed, error: DeniedError) -> None:
    """Write down that a syscall was denied only when it was executed, in the transaction that ends it."""
    audit.write(
        tx,
        actor=f"agent:{call.agent_id}",
        action="denied",
        resource=f"{call.pool}.{call.op}",
        agent=call.agent_id,
        detail={"error": error.to_json(), "syscall": str(call.id)},
    )


def _wishes(call: Claimed) -> list[JsonObject]:
    """The tool calls of the model's reply that this syscall runs."""
    message = call.earlier[call.payload["from"]]["message"]
    return list(message.get("tool_calls") or ())


def _with_wishes(call: Claimed, wishes: list[JsonObject]) -> Claimed:
    earlier = list(call.earlier)
    place = call.payload["from"]
    earlier[place] = {**earlier[place], "message": {**earlier[place]["message"], "tool_calls": wishes}}
    return replace(call, earlier=earlier)


def _plain(call: Claimed) -> Claimed:
    """Without what was said to this gate alone."""
    return replace(call, payload={name: value for name, value in call.payload.items() if name != "ask"})


def _compare_version(tx: Transaction, approval: JsonObject) -> None:
    if approval["version"] is None:
        return
    found = approvals.file(tx, approval["resource"].removeprefix("file:"), lock=True)
    if found.version != approval["version"]:
        why = f"the file is at version {found.version}, the answer was about version {approval['version']}"
        raise ApprovalVoid(approval["operation"], approval["resource"], why)


def _tell(tx: Transaction, call: Claimed, approval: JsonObject) -> None:
    detail = {"approval": str(approval["id"]), "kind": approval["kind"], "syscall": str(call.id)}
    audit.write(
        tx,
        actor=f"agent:{call.agent_id}",
        action="irreversible",
        resource=approval["resource"],
        agent=call.agent_id,
        detail=detail,
    )
