"""The glossary as types: pools, states, effects and priorities. Tables, logs and CLI use these words and no synonyms."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from aios.errors import InvalidArgument


class Pool(StrEnum):
    """The workers that serve one resource; a pool's name is its Celery queue's."""

    AGENT = "agent"
    LLM = "llm"
    MEMORY = "memory"
    STORAGE = "storage"
    TOOL = "tool"
    SYSTEM = "system"


class AgentState(StrEnum):
    """Where an agent is: `queued` may be driven, `running` is driven, `waiting` has requests open."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    PAUSED = "paused"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing more can happen to the agent."""
        return self in ENDED


ENDED: Final = frozenset({AgentState.DONE, AgentState.FAILED, AgentState.CANCELLED})


class SyscallState(StrEnum):
    """`blocked` waits for an earlier link, `waiting` for time, a child or a human; the last four are final."""

    BLOCKED = "blocked"
    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"


class Effect(StrEnum):
    """What repeating an operation does. `once` is never repeated: if its worker dies the outcome is `unknown`."""

    NONE = "none"
    IDEMPOTENT = "idempotent"
    ONCE = "once"


MOST_URGENT: Final = 0
LEAST_URGENT: Final = 9
DEFAULT_PRIORITY: Final = 5


def check_priority(value: object) -> int:
    """A priority, 0 (most urgent) to 9.

    Raises:
        InvalidArgument: it is not.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not MOST_URGENT <= value <= LEAST_URGENT:
        raise InvalidArgument("priority", value, "give a whole number from 0 (most urgent) to 9")
    return value
