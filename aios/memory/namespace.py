"""Namespaces of memories: every row is in exactly one, and no statement reads or writes without naming it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from uuid import UUID

Owner: TypeAlias = Literal["agent", "group", "tenant"]


def namespace(owner: Owner, name: UUID | str) -> str:
    """The namespace of an agent, a group or a tenant."""
    return f"{owner}:{name}"
