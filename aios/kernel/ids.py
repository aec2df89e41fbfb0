"""Ids: UUIDv7 (RFC 9562), so that they sort by time and insert at the right edge of an index."""

from __future__ import annotations

from uuid import UUID

import uuid_utils.compat

from aios.errors import NotFound


def new_id() -> UUID:
    """A new UUIDv7."""
    return uuid_utils.compat.uuid7()


def new_token() -> UUID:
    """A random claim token or incarnation id: unguessable, unordered."""
    return uuid_utils.compat.uuid4()


def parse_id(text: str | UUID, *, kind: str = "agent") -> UUID:
    """The id written as `text`.

    Raises:
        NotFound: it is no UUID, so nothing has it.
    """
    if isinstance(text, UUID):
        return text
    try:
        return UUID(text)
    except ValueError as error:
        raise NotFound(kind, text) from error
