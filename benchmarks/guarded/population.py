"""Agents of several tenants, users and groups, whose rules change at random."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

from sqlalchemy import insert, text

from aios.db.agents import Driven
from aios.db.tables import agents
from aios.kernel.access import Ask, Rule, Subject
from aios.kernel.agent import Agent
from aios.kernel.asks import asks
from aios.kernel.ids import new_id
from aios.kernel.request import Request
from benchmarks.guarded.naive import allowed

if TYPE_CHECKING:
    from aios.db.session import Database
    from aios.sdk.client import Client

_TENANTS, _USERS, _GROUPS = [[f"{kind}{n}" for n in range(count)] for kind, count in (("t", 4), ("u", 20), ("g", 12))]
_AGENTS: Final = 200


class Population:
    """Agents of several tenants, users and groups, in the database and as the naive model sees them."""

    def __init__(self, client: Client, database: Database, *, seed: int) -> None:
        self.client, self.database = client, database
        self.numbers = random.Random(seed)
        self.rules: dict[str, Rule] = {}
        self.groups: dict[str, set[str]] = {}
        self.subjects = [self._subject() for _ in range(_AGENTS)]
        with database.transaction() as tx:
            tx.execute(insert(agents), [self._row(subject) for subject in self.subjects])

    def change(self) -> None:
        """One grant, revoke, joining or leaving."""
        pick = self.numbers.random()
        if pick < 0.6 or not self.rules:
            self._grant()
        elif pick < 0.75:
            gone = self.numbers.choice(list(self.rules))
            self.client.revoke(gone)
            del self.rules[gone]
        else:
            self._move()

    def ask(self) -> tuple[Subject, Request[Any], tuple[Ask, ...]]:
        """A random agent that reaches for a random owner's data."""
        subject, other = self.numbers.choice(self.subjects), self.numbers.choice(self.subjects)
        group = self.numbers.choice(_GROUPS)
        place = self.numbers.choice(
            [f"/agents/{other.agent}", f"/agents/{subject.agent}", f"/groups/{group}", "/shared"]
        )
        path = f"{place}/{self.numbers.choice('ab')}.txt"
        agent = Agent(id=UUID(subject.agent))
        namespace = self.numbers.choice([f"agent/{other.agent}", f"group/{group}", f"agent/{subject.agent}"])
        request: Request[Any] = self.numbers.choice(
            [
                agent.storage.read(path),
                agent.storage.write(path, "x"),
                agent.storage.delete(path),
                Request("memory", "search", {"query": "x", "namespace": namespace}),
                Request("memory", "add", {"content": "x", "namespace": namespace}),
            ]
        )
        return subject, request, asks(request, agent.id)

    def driven(self, subject: Subject) -> Driven:
        """The agent as a claim would give it, the version of the rules in the same statement."""
        with self.database.statement() as tx:
            row = tx.execute(CLAIMED, {"id": subject.agent}).mappings().one()
        return Driven(**row, incarnation=uuid4(), tree_tokens=0)

    def may(self, subject: Subject, asked: tuple[Ask, ...]) -> bool:
        """What the naive model says."""
        now = datetime.now(UTC)
        return all(allowed(subject, ask, self.rules.values(), self.groups, now=now) for ask in asked)

    def _grant(self) -> None:
        principal = self.numbers.choice(
            [
                f"agent:{self.numbers.choice(self.subjects).agent}",
                f"tenant:{self.numbers.choice(_TENANTS)}",
                f"user:{self.numbers.choice(_USERS)}",
                f"group:{self.numbers.choice(_GROUPS)}",
            ]
        )
        other = self.numbers.choice(self.subjects).agent
        group = self.numbers.choice(_GROUPS)
        pattern = self.numbers.choice(
            [
                "file:/shared/**",
                "file:/shared/a*",
                f"file:/agents/{other}/**",
                f"file:/groups/{group}/*",
                "file:/agents/*/a.txt",
                f"memory:agent/{other}",
                f"memory:group/{group}",
                "memory:group/*",
            ]
        )
        operation, deny = self.numbers.choice(["read", "write", "delete", "*"]), self.numbers.random() < 0.3
        id_ = self.client.grant(principal, operation, pattern, deny=deny, expires=timedelta(hours=1))
        self.rules[id_] = Rule(principal, operation, pattern, not deny)

    def _move(self) -> None:
        group = self.numbers.choice(_GROUPS)
        member = self.numbers.choice(
            [f"agent:{self.numbers.choice(self.subjects).agent}", f"user:{self.numbers.choice(_USERS)}"]
        )
        joined = self.groups.setdefault(member, set())
        if group in joined:
            self.client.leave_group(group, member)
            joined.discard(group)
        else:
            self.client.join_group(group, member)
            joined.add(group)

    def _subject(self) -> Subject:
        groups = frozenset(self.numbers.sample(_GROUPS, self.numbers.choice([0, 0, 1, 2])))
        return Subject(str(new_id()), self.numbers.choice(_TENANTS), self.numbers.choice(["", *_USERS]), groups)

    @staticmethod
    def _row(subject: Subject) -> dict[str, object]:
        return row_of(subject)


def row_of(subject: Subject) -> dict[str, object]:
    """An ended agent's row: nobody drives it."""
    return {
        "id": subject.agent,
        "root_id": subject.agent,
        "program": "none",
        "task": "x",
        "state": "done",
        "priority": 5,
        "tenant": subject.tenant,
        "owner": subject.owner,
        "groups": sorted(subject.groups),
        "runnable": False,
    }


_FIELDS = sorted(set(Driven.__dataclass_fields__) - {"incarnation", "tree_tokens", "access_version", "claimed_at"})
CLAIMED = text(
    f"SELECT {', '.join(_FIELDS)}, (SELECT version FROM access_version) AS access_version, "
    "clock_timestamp() AS claimed_at FROM agents WHERE id = :id"
)
