"""Automatic memory: what a chat recalls before it and remembers after it, per call or for a whole program. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aios.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aios.kernel.values import JsonObject

_MOST: Final = 100


@dataclass(frozen=True)
class Recall:
    """What is looked up before a chat, by its last message, and put before the conversation.

    Attributes:
        k: so many notes at most.
        threshold: only notes of at least this cosine similarity; None: whatever is nearest.
        tokens: they take at most so many tokens of the core that is asked; 0: no bound.
        tags: only notes that have all of these.
        namespaces: whose notes; empty: the agent's own.
    """

    k: int = 5
    threshold: float | None = None
    tokens: int = 0
    tags: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.k <= _MOST or self.tokens < 0:
            raise InvalidArgument(
                "recall", f"k={self.k}, tokens={self.tokens}", f"give a k of 1 to {_MOST}, and tokens >= 0"
            )

    def payload(self, messages: Sequence[JsonObject], *, model: str = "") -> JsonObject:
        """The arguments of `memory.recall` for a conversation."""
        more = {
            "threshold": self.threshold,
            "tokens": self.tokens or None,
            "tags": [*self.tags] or None,
            "namespaces": [*self.namespaces] or None,
            "model": (model or None) if self.tokens else None,
        }
        given = {name: value for name, value in more.items() if value is not None}
        return {"query": last_said(messages), "k": self.k, **given}


@dataclass(frozen=True)
class Remember:
    """What is stored after a chat: the reply, as a note.

    Attributes:
        tags: of the note.
        asked: put the message that was answered before the reply.
        analyse: let a model describe and link the note, as `agent.memory.note` does.
        namespace: whose; empty: the agent's own.
    """

    tags: tuple[str, ...] = ()
    asked: bool = False
    analyse: bool = False
    namespace: str = ""

    def payload(self, messages: Sequence[JsonObject]) -> JsonObject:
        """The arguments of `memory.remember` for a conversation."""
        payload: JsonObject = {"tags": list(self.tags)}
        if self.asked:
            payload["asked"] = last_said(messages)
        if self.analyse:
            payload["analyse"] = True
        return {**payload, "namespace": self.namespace} if self.namespace else payload


@dataclass(frozen=True)
class AutoMemory:
    """What every chat of a program recalls and remembers, unless the chat says otherwise: `@program(memory=AutoMemory())`."""

    recall: Recall | None = field(default_factory=Recall)
    remember: Remember | None = field(default_factory=lambda: Remember(asked=True))


def last_said(messages: Sequence[JsonObject]) -> str:
    """The text of the last message."""
    return str(messages[-1].get("content") or "")
