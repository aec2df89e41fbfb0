"""Who calls a tool, for tools that ask: a parameter annotated `Caller` is filled in by the system and hidden from models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID


@dataclass(frozen=True)
class Caller:
    """The agent that calls a tool, and how long it waits for it."""

    agent_id: UUID
    seconds: float
