"""Random questions to the access rules while these change, beside the naive model; and every irreversible operation asked."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from sqlalchemy import insert

from aios.access.cache import RuleCache
from aios.access.guard import Guard
from aios.db.agents import Driven
from aios.db.tables import agents, file_versions, files
from aios.errors import AccessDenied
from aios.kernel.access import Subject
from aios.kernel.agent import Agent
from aios.kernel.ids import new_id
from aios.kernel.plan import Planner, ToolInfo
from aios.kernel.request import Request
from aios.kernel.words import Effect, SyscallState
from aios.settings import AccessSettings
from benchmarks.guarded.population import CLAIMED, Population, row_of

if TYPE_CHECKING:
    from aios.db.session import Database
    from aios.sdk.client import Client

_PER_CHANGE = 20  # questions between two changes of the rules
_TOOLS = {
    "send": ToolInfo("send", Effect.ONCE),
    "python.run": ToolInfo("python.run"),
    "look": ToolInfo("look"),
}


def decide(client: Client, database: Database, *, triples: int, seed: int) -> dict[str, object]:
    """False allows and denies of `triples` random questions, and how long a decision takes."""
    people, cache = Population(client, database, seed=seed), RuleCache(database)
    false_allow = false_deny = granted = changes = 0
    decisions: list[float] = []
    reads: list[float] = []
    for number in range(triples):
        if number % _PER_CHANGE == 0:
            people.change()
            changes += 1
        subject, request, asked = people.ask()
        driven = people.driven(subject)
        began = time.perf_counter()
        fresh = cache.book(0).version < driven.access_version
        if fresh:
            cache.book(driven.access_version)
            reads.append(time.perf_counter() - began)
            began = time.perf_counter()
        guard = Guard(driven, cache, database, _TOOLS, AccessSettings(), {})
        allows = _admitted(guard, request)
        decisions.append(time.perf_counter() - began)
        expected = people.may(subject, asked)
        granted += expected
        false_allow += allows and not expected
        false_deny += expected and not allows
    return {
        "triples": triples,
        "changes": changes,
        "allowed_share": round(granted / triples, 3),
        "false_allow": false_allow,
        "false_deny": false_deny,
        "decision_p50_ms": round(statistics.median(decisions) * 1000, 4),
        "decision_p99_ms": round(_percentile(decisions, 0.99) * 1000, 4),
        "reread_p50_ms": round(statistics.median(reads) * 1000, 3),
        "rules_at_end": len(people.rules),
    }


def irreversible(database: Database, *, each: int) -> dict[str, object]:
    """How many of all irreversible operations would have begun without a human: must be none."""
    me, other = new_id(), new_id()
    with database.transaction() as tx:
        tx.execute(insert(agents), [row_of(_quiet(one)) for one in (me, other)])
        _file(tx, "/groups/g/theirs.txt", other)
        _file(tx, f"/agents/{me}/mine.txt", me)
    cache, agent = RuleCache(database), Agent(id=me)
    strict = AccessSettings(delete_own="ask", rollback_own="ask")
    requests: dict[str, Request[Any]] = {
        "delete_own": agent.storage.delete("mine.txt"),
        "rollback_own": agent.storage.rollback("mine.txt", 1),
        "delete_other": agent.storage.delete("/groups/g/theirs.txt"),
        "overwrite_other": agent.storage.write("/groups/g/theirs.txt", "x"),
        "rollback_other": agent.storage.rollback("/groups/g/theirs.txt", 1),
        "move_other": agent.storage.move("/groups/g/theirs.txt", "x"),
        "share": Request("storage", "share", {"path": "mine.txt"}),
        "once_tools": agent.tool.call("send", to="x"),
        "code": agent.tool.call("python.run", code="1"),
        "privileges": agent.access.grant("read", "file:/shared/**"),
    }
    subject = _quiet(me)
    unasked = dict.fromkeys(requests, 0)
    planner = Planner(tools=_TOOLS, program="none", declared=tuple(_TOOLS))
    for _ in range(each):
        for name, request in requests.items():
            with database.statement() as tx:
                row = tx.execute(CLAIMED, {"id": subject.agent}).mappings().one()
            driven = Driven(**row, incarnation=uuid4(), tree_tokens=0)
            first = Guard(driven, cache, database, _TOOLS, strict, {}).plan(request, planner.plan)[0]
            unasked[name] += first.state is not SyscallState.WAITING or first.approval is None
    return {"operations": len(requests) * each, "unasked": sum(unasked.values()), "unasked_by_kind": unasked}


def _admitted(guard: Guard, request: Request[Any]) -> bool:
    try:
        guard.admit(request)
    except AccessDenied:
        return False
    return True


def _file(tx: Any, path: str, writer: UUID) -> None:
    id_ = new_id()
    tx.execute(insert(files).values(id=id_, path=path, version=2))
    rows = [{"file_id": id_, "version": n, "size": 0, "media_type": "text/plain", "agent_id": writer} for n in (1, 2)]
    tx.execute(insert(file_versions), rows)


def _percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def _quiet(agent: UUID) -> Subject:
    """An agent about which no rule says anything."""
    return Subject(str(agent), "quiet", groups=frozenset({"g"}))
