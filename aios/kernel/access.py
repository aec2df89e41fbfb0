"""Who may do what: pure. Principals, rules, and the decision; what is not one's own needs a rule, and a deny always wins.

A resource is a text `kind:name` (`memory:agent/<id>`, `file:/groups/x/y.md`, `tool:<name>`, `llm:<model>`, `agent:<id>`,
`program:<name>`). A rule's pattern is a resource in which `*` stands for anything within one segment (segments are
separated by `/`) and a whole segment `**` for any number of them; `*` alone is every resource.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID

from aios.errors import InvalidArgument, did_you_mean
from aios.errors.base import hint
from aios.kernel.wildcards import fits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

OPERATIONS: Final = ("read", "write", "delete", "share", "call", "spawn", "wait", "signal", "grant", "*")
KINDS: Final = ("memory", "file", "tool", "llm", "agent", "program", "*")
PRINCIPALS: Final = ("tenant", "user", "agent", "group")

NOTHING: Final = "nothing grants it"

_OPEN: Final = frozenset(
    {"tool", "llm", "program"}
)  # no data: a program declares its tools, whoever submits chooses it
_LONGEST: Final = 1100
_ANY: Final = "*"
_DEEP: Final = "**"


@dataclass(frozen=True)
class Rule:
    """One grant as the decision sees it."""

    principal: str
    operation: str
    pattern: str
    allow: bool = True
    expires_at: datetime | None = None


@dataclass(frozen=True)
class Subject:
    """Who asks.

    Attributes:
        groups: those that it is a member of by itself; `Book` adds those of its user and tenant.
    """

    agent: str
    tenant: str
    owner: str = ""
    groups: frozenset[str] = frozenset()

    @property
    def principals(self) -> tuple[str, ...]:
        """Its own, but for its groups."""
        own = (f"agent:{self.agent}", f"tenant:{self.tenant}")
        return (*own, f"user:{self.owner}") if self.owner else own


class Ask(NamedTuple):
    """What is asked of the rules.

    Attributes:
        whole: all that lies below the resource is meant too (a listing, a search).
    """

    operation: str
    resource: str
    whole: bool = False


class Verdict(NamedTuple):
    """The decision, and why."""

    allowed: bool
    why: str


@dataclass(frozen=True)
class Book:
    """All rules and memberships at one version of them; looking up who has none costs a dictionary look-up per principal.

    Attributes:
        rules: by principal.
        groups: by member.
    """

    version: int = 0
    rules: Mapping[str, Sequence[Rule]] = field(default_factory=dict)
    groups: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def joined(self, subject: Subject) -> frozenset[str]:
        """Every group that a subject is in: its own, and those that list it, its user or its tenant."""
        found = subject.groups
        for principal in subject.principals:
            found |= self.groups.get(principal, frozenset())
        return found

    def decide(self, subject: Subject, ask: Ask, *, now: datetime) -> Verdict:
        """Whether a subject may do what it asks."""
        groups = self.joined(subject)
        rules: list[Rule] = []
        for principal in (*subject.principals, *(f"group:{name}" for name in groups)):
            rules.extend(self.rules.get(principal, ()))
        return decide(subject, ask, rules, groups=groups, now=now)


def decide(subject: Subject, ask: Ask, rules: Sequence[Rule], *, groups: frozenset[str], now: datetime) -> Verdict:
    """The decision: a deny wins, then one's own, then an allow; else no.

    Args:
        subject: who asks.
        ask: what.
        rules: those of the subject's principals and groups, in any order.
        groups: all that it is in.
        now: rules that expire until then count no more.
    """
    live = [
        rule
        for rule in rules
        if rule.operation in {ask.operation, _ANY} and (rule.expires_at is None or rule.expires_at > now)
    ]
    for rule in live:
        if not rule.allow and touches(rule.pattern, ask):
            return Verdict(allowed=False, why=f"{rule.principal} is denied {rule.operation} {rule.pattern}")
    if owns(subject, ask.resource, groups=groups):
        return Verdict(allowed=True, why="its own")
    for rule in live:
        if rule.allow and covers(rule.pattern, ask):
            return Verdict(allowed=True, why=f"{rule.principal} is granted {rule.operation} {rule.pattern}")
    return Verdict(allowed=False, why=NOTHING)


def owns(subject: Subject, resource: str, *, groups: frozenset[str]) -> bool:
    """Whether no rule is needed: an agent's own data, that of its groups, and what is no data."""
    kind, _, name = resource.partition(":")
    if kind in _OPEN:
        return True
    if kind == "memory":
        what, _, whose = name.partition("/")
        return (what == "agent" and whose == subject.agent) or (what == "group" and whose in groups)
    if kind == "file":
        _, what, whose, *_rest = [*name.split("/"), "", "", ""]
        return (what == "agents" and whose == subject.agent) or (what == "groups" and whose in groups)
    return kind == "agent" and name == subject.agent


def covers(pattern: str, ask: Ask) -> bool:
    """Whether a pattern speaks of all that is asked for."""
    if not matches(pattern, ask.resource):
        return False
    return not ask.whole or pattern == _ANY or pattern.endswith(_DEEP)


def touches(pattern: str, ask: Ask) -> bool:
    """Whether a pattern speaks of any part of what is asked for: of the resource, or of something that may lie below it."""
    if matches(pattern, ask.resource):
        return True
    return ask.whole and _reaches(_split(pattern), _split(ask.resource))


def matches(pattern: str, resource: str) -> bool:
    """Whether a pattern names a resource; in time linear in both but for one factor, whatever they are."""
    if pattern == _ANY:
        return True
    return fits(_split(pattern), _split(resource), star=_DEEP, same=_segment)


def check_principal(principal: str) -> str:
    """A principal: `tenant:<name>`, `user:<name>`, `agent:<id>` or `group:<name>`, as rules have it.

    Raises:
        InvalidArgument: it is none.
    """
    kind, _, name = principal.partition(":") if isinstance(principal, str) else ("", "", "")
    if kind not in PRINCIPALS or not name or len(principal) > _LONGEST or name != name.strip():
        raise InvalidArgument("principal", principal, "give tenant:NAME, user:NAME, agent:ID or group:NAME")
    if kind == "agent":  # a rule for anything else would bind nobody, a deny included
        try:
            return f"agent:{UUID(name)}"
        except ValueError as error:
            raise InvalidArgument("principal", principal, "give the agent's whole id") from error
    return principal


def check_operation(operation: str) -> str:
    """An operation that a rule may name.

    Raises:
        InvalidArgument: it is none.
    """
    if operation not in OPERATIONS:
        near = did_you_mean(operation, OPERATIONS) if isinstance(operation, str) else []
        raise InvalidArgument("operation", operation, "give one of " + ", ".join(OPERATIONS) + hint(near, "* is all"))
    return operation


def check_pattern(pattern: str) -> str:
    """A pattern that a rule may have.

    Raises:
        InvalidArgument: it is none.
    """
    kind, colon, name = pattern.partition(":") if isinstance(pattern, str) else ("", "", "")
    if pattern == _ANY:
        return pattern
    if kind not in KINDS[:-1] or not colon or not name or len(pattern) > _LONGEST:
        kinds = ", ".join(KINDS[:-1])
        raise InvalidArgument("resource", pattern, f"give KIND:NAME with a kind of {kinds}, such as file:/shared/**")
    if kind == "file" and not name.startswith(("/", _ANY)):
        raise InvalidArgument("resource", pattern, "give an absolute path, such as file:/shared/**")
    return pattern


def _split(resource: str) -> list[str]:
    """The segments; the kind is one of its own, so that no wildcard crosses it."""
    kind, _, name = resource.partition(":")
    return [kind, *name.split("/")]


def _segment(pattern: str, segment: str) -> bool:
    return pattern == segment or (_ANY in pattern and fits(pattern, segment, star=_ANY, same=str.__eq__))


def _reaches(pattern: Sequence[str], folder: Sequence[str]) -> bool:
    """Whether something below a folder may match: the pattern agrees with it as far as it goes, or takes any depth before."""
    for place, segment in enumerate(folder):
        if place == len(pattern):
            return False
        if pattern[place] == _DEEP:
            return True
        if not _segment(pattern[place], segment):
            return False
    return True
