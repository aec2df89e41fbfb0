"""What a human must approve: which operations are irreversible, and what an answer is about. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from aios.kernel.values import canonical, digest
from aios.kernel.words import Effect

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aios.kernel.access import Ask
    from aios.kernel.plan import ToolInfo
    from aios.kernel.values import Json, JsonObject


class Kind(StrEnum):
    """Why an operation cannot be taken back."""

    DELETE_OWN = "delete_own"
    DELETE_OTHER = "delete_other"
    OVERWRITE_OTHER = "overwrite_other"
    ROLLBACK_OWN = "rollback_own"
    ROLLBACK_OTHER = "rollback_other"
    SHARE = "share"
    ONCE = "once_tools"
    CODE = "code"
    PRIVILEGES = "privileges"


REVERSIBLE: Final = frozenset({Kind.DELETE_OWN, Kind.ROLLBACK_OWN})
"""Every version stays, and the agent can bring it back: an effect that the audit log need not tell of."""


class Policy(StrEnum):
    """What happens before an operation of a kind: nothing, a human is asked, or it is refused."""

    ALLOW = "allow"
    ASK = "ask"
    DENY = "deny"


class File(NamedTuple):
    """What is there before an operation on a path; version 0: nothing was ever there.

    Attributes:
        owner: id of the agent that wrote its newest version; None: nobody's.
    """

    version: int = 0
    owner: str | None = None
    deleted: bool = False


@dataclass(frozen=True)
class Doubt:
    """One reason why a request may need a human.

    Attributes:
        version: of the file that the answer will be about; None: it is about none.
    """

    kind: Kind
    operation: str
    resource: str
    version: int | None = None


def of_tools(tools: Sequence[str], *, known: Mapping[str, ToolInfo], code: Sequence[str]) -> dict[str, Kind]:
    """Those of some tools that cannot be taken back, and why."""
    found: dict[str, Kind] = {}
    for name in tools:
        info = known.get(name)
        if name in code:
            found[name] = Kind.CODE
        elif info is not None and info.effect is Effect.ONCE:
            found[name] = Kind.ONCE
    return found


def of_file(op: str, ask: Ask, *, agent: str, file: File) -> Kind | None:
    """Why a storage operation on a path cannot be taken back by the agent itself; None: it can.

    Args:
        op: the storage operation.
        ask: what it asks of the path.
        agent: who asks.
        file: what is there.
    """
    if op == "share":
        return Kind.SHARE
    own = is_own(ask.resource, agent) or (file.owner == agent)
    if op == "rollback":
        return Kind.ROLLBACK_OWN if own else Kind.ROLLBACK_OTHER
    if ask.operation == "delete":
        if own:
            return Kind.DELETE_OWN if op == "delete" else None
        return Kind.DELETE_OTHER
    there = file.version > 0 and not file.deleted
    return Kind.OVERWRITE_OTHER if ask.operation == "write" and there and not own and op != "mkdir" else None


def is_own(resource: str, agent: str) -> bool:
    """Whether a file lies in the agent's own folder."""
    return resource.startswith(f"file:/agents/{agent}/")


def bound(arguments: Json) -> bytes:
    """The digest that ties an answer to the arguments it was given for."""
    return digest(canonical(arguments, what="the arguments"))


def edited(arguments: JsonObject, changes: JsonObject) -> JsonObject:
    """The arguments with a human's changes; nested objects are merged, everything else is replaced."""
    merged = dict(arguments)
    for name, value in changes.items():
        inner = merged.get(name)
        merged[name] = edited(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return merged
