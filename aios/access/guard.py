"""What stands between a program's request and its plan: the rules are asked first, then whether a human must be.

One guard per drive. What it decides is written with the drive, in one statement: denials and questions as rows of the audit
log, questions as approvals of syscalls that wait. That statement fails if the rules have changed since.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from aios.db import agents, approvals
from aios.errors import AccessDenied, DeniedError, InvalidArgument
from aios.kernel import access
from aios.kernel.access import Ask, Subject
from aios.kernel.approval import REVERSIBLE, Doubt, File, Kind, Policy, bound, is_own, of_file, of_tools
from aios.kernel.asks import asks
from aios.kernel.ids import parse_id
from aios.kernel.plan import Call
from aios.kernel.words import Effect, Pool, SyscallState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from aios.db.agents import Driven
    from aios.db.session import Database
    from aios.kernel.access import Book
    from aios.kernel.plan import ToolInfo
    from aios.kernel.ports import Rules
    from aios.kernel.replay import Entry
    from aios.kernel.request import Request
    from aios.kernel.values import Json, JsonObject
    from aios.settings import AccessSettings

_FILES: Final = frozenset({"write", "delete", "share"})  # operations on a path that may not be taken back


@dataclass
class Guard:
    """Decides about the requests of one drive.

    Attributes:
        entries: what the journal holds.
        children: rows of the agents that this drive starts; it grows.
        version: that of the rules it decided by; None: it was asked nothing.
        notes: what the audit log is to hold.
    """

    driven: Driven
    rules: Rules
    database: Database
    tools: Mapping[str, ToolInfo]
    settings: AccessSettings
    entries: Mapping[str, Entry]
    children: Sequence[JsonObject] = ()
    version: int | None = None
    notes: list[JsonObject] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._began = time.monotonic()
        self._subject = Subject(
            str(self.driven.id), self.driven.tenant, self.driven.owner, frozenset(self.driven.groups)
        )

    def plan(self, request: Request[Json], planned: Callable[[Request[Json]], tuple[Call, ...]]) -> tuple[Call, ...]:
        """The plan of a request that is allowed; its first call waits if a human must be asked.

        Raises:
            DeniedError: it is not allowed.
            CallerError: nothing answers such a request.
        """
        asked = self.admit(request)
        with self._noting(request):
            if request.resource == "access":
                return (self._privilege(request),)
            return self._gated(request, asked, planned(request))

    def admit(self, request: Request[Json]) -> tuple[Ask, ...]:
        """What a request asks of the rules, all of it allowed.

        Raises:
            DeniedError: it is not.
            InvalidArgument: it names something that cannot be.
        """
        with self._noting(request):
            asked = asks(request, self.driven.id)
            for ask in asked:
                self._admit(ask)
        return asked

    def check(self, operation: str, resource: str) -> bool:
        """Whether the agent would be allowed something, without asking for it."""
        access.check_operation(operation)
        return self._decide(Ask(operation, access.check_pattern(resource))).allowed

    @contextmanager
    def _noting(self, request: Request[Json]) -> Iterator[None]:
        try:
            yield
        except DeniedError as error:
            self._note("denied", request.name, {"error": error.to_json(), "request": request.label})
            raise

    def _admit(self, ask: Ask) -> None:
        verdict = self._decide(ask)
        if not verdict.allowed and not (verdict.why == access.NOTHING and self._is_kin(ask)):
            raise AccessDenied(f"agent:{self.driven.id}", ask.operation, ask.resource, verdict.why)

    def _decide(self, ask: Ask) -> access.Verdict:
        book = self._book()
        return book.decide(self._subject, ask, now=self._now())

    def _book(self) -> Book:
        book = self.rules.book(self.driven.access_version)
        self.version = book.version
        return book

    def _now(self) -> datetime:
        """The database's time; no host's clock decides whether a grant has expired."""
        return self.driven.claimed_at + timedelta(seconds=time.monotonic() - self._began)

    def _is_kin(self, ask: Ask) -> bool:
        """Whether an agent that is waited for or signalled was started by this one, or by the same root."""
        kind, _, name = ask.resource.partition(":")
        if kind != "agent":
            return False
        started = (entry.results for entry in self.entries.values() if entry.label.startswith("agent.spawn "))
        if any(name in results for results in started) or any(name == child["id"] for child in self.children):
            return True
        with self.database.statement() as tx:
            return agents.root_of(tx, parse_id(name)) == self.driven.root_id

    # --- what cannot be taken back ----------------------------------------------------------------------------------------

    def _gated(self, request: Request[Json], asked: tuple[Ask, ...], plan: tuple[Call, ...]) -> tuple[Call, ...]:
        if request.resource == "tool":
            name = str(request.args["tool"])
            kinds = of_tools([name], known=self.tools, code=self.settings.code_tools)
            return self._asked(plan, [Doubt(kind, "call", f"tool:{name}") for kind in kinds.values()])
        if request.resource == "storage":
            return self._asked(plan, [doubt for ask in asked for doubt in self._doubts(request.op, ask)])
        if request.resource == "memory":
            own = f"memory:agent/{self.driven.id}"
            deleted = [ask for ask in asked if ask.operation == "delete" and ask.resource != own]
            return self._asked(plan, [Doubt(Kind.DELETE_OTHER, ask.operation, ask.resource) for ask in deleted])
        if request.name == "llm.act":
            return self._offered(request, plan)
        return plan

    def _doubts(self, op: str, ask: Ask) -> list[Doubt]:
        if ask.operation not in _FILES:
            return []
        agent, own = str(self.driven.id), is_own(ask.resource, str(self.driven.id))
        kind = of_file(op, ask, agent=agent, file=File())
        if own and (kind is None or getattr(self.settings, kind) == Policy.ALLOW):
            return []  # the ordinary path: nobody has to look at what is there
        with self.database.statement() as tx:
            file = approvals.file(tx, ask.resource.removeprefix("file:"))
        kind = of_file(op, ask, agent=agent, file=file)
        return [] if kind is None else [Doubt(kind, ask.operation, ask.resource, file.version)]

    def _asked(self, plan: tuple[Call, ...], doubts: list[Doubt]) -> tuple[Call, ...]:
        """The plan, waiting at its first call if a human must approve one of the doubts."""
        first, *rest = plan
        for doubt in doubts:
            policy = Policy(getattr(self.settings, doubt.kind))
            if policy is Policy.DENY:
                raise self._forbidden(doubt)
            if policy is Policy.ASK and first.approval is None:
                first = self._waiting(first, doubt)
            elif policy is Policy.ALLOW and doubt.kind not in REVERSIBLE:
                self._note("irreversible", doubt.resource, {"kind": doubt.kind, "arguments": first.payload})
        return (first, *rest)

    def _waiting(self, call: Call, doubt: Doubt) -> Call:
        told = {"kind": doubt.kind, "operation": doubt.operation, "arguments": call.payload, "version": doubt.version}
        self._note("approval.asked", doubt.resource, told)
        question = {
            "kind": doubt.kind.value,
            "operation": doubt.operation,
            "resource": doubt.resource,
            "arguments": call.payload,
            "digest": bound(call.payload).hex(),
            "version": doubt.version,
            "seconds": self.settings.approval_seconds,
        }
        return replace(call, state=SyscallState.WAITING, approval=question)

    def _offered(self, request: Request[Json], plan: tuple[Call, ...]) -> tuple[Call, ...]:
        """A model chooses the arguments: the worker asks about them when it has them (`aios.access.gate`)."""
        kinds = of_tools(request.args.get("tools", ()), known=self.tools, code=self.settings.code_tools)
        ask: JsonObject = {}
        for name, kind in kinds.items():
            policy = Policy(getattr(self.settings, kind))
            if policy is Policy.DENY:
                raise self._forbidden(Doubt(kind, "call", f"tool:{name}"))
            if policy is Policy.ASK:
                ask[name] = kind.value
            else:
                self._note("irreversible", f"tool:{name}", {"kind": kind, "offered": True})
        if not ask:
            return plan
        return tuple(
            replace(call, payload={**call.payload, "ask": ask}) if (call.pool, call.op) == (Pool.TOOL, "run") else call
            for call in plan
        )

    def _privilege(self, request: Request[Json]) -> Call:
        """A grant that an agent asks for: nothing but a human's answer does it."""
        if request.op != "grant":
            raise InvalidArgument("request", request.name, "an agent asks for access.grant or access.check")
        args = request.args
        access.check_operation(args["operation"])
        access.check_pattern(args["resource"])
        call = Call(Pool.AGENT, "grant", args, effect=Effect.NONE, seconds=None)
        doubt = Doubt(Kind.PRIVILEGES, "grant", str(args["resource"]))
        (call,) = self._asked((call,), [doubt])
        return call

    def _forbidden(self, doubt: Doubt) -> AccessDenied:
        why = f"the settings forbid it (access.{doubt.kind.value})"
        return AccessDenied(f"agent:{self.driven.id}", doubt.operation, doubt.resource, why)

    def _note(self, action: str, resource: str, detail: JsonObject) -> None:
        self.notes.append(
            {"actor": f"agent:{self.driven.id}", "action": action, "resource": resource, "detail": detail}
        )
