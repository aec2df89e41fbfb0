"""Namespaces of memory: every row is in exactly one, and no statement of an agent reads or writes without naming it.

`agent/<id>`, `group/<name>` and `tenant/<name>`. Whether an agent may use another than its own is decided before its
request is planned (`aios.kernel.access`); here a namespace only has to be one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal, TypeAlias
from uuid import UUID

from aios.errors import InvalidArgument

if TYPE_CHECKING:
    from aios.kernel.ports import Claimed

Owner: TypeAlias = Literal["agent", "group", "tenant"]

_FORM: Final = re.compile(r"(agent|group|tenant)/([^/\s\x00-\x1f][^/\x00-\x1f]{0,199})")


def namespace(owner: Owner, name: UUID | str) -> str:
    """The namespace of an agent, a group or a tenant."""
    return f"{owner}/{name}"


def check(text: str) -> str:
    """A namespace as a person or a program writes it.

    Raises:
        InvalidArgument: it is none.
    """
    found = _FORM.fullmatch(text)
    if found is None or (found[1] == "agent" and owner_of(text) is None):
        raise InvalidArgument("namespace", text, "give agent/ID, group/NAME or tenant/NAME")
    return text


def of(call: Claimed, asked: str) -> str:
    """The namespace that a syscall is about: the one it names, else its agent's own."""
    return check(asked) if asked else namespace("agent", call.agent_id)


def owner_of(text: str) -> UUID | None:
    """The agent whose own namespace it is; None for a group's or a tenant's."""
    kind, _, name = text.partition("/")
    try:
        return UUID(name) if kind == "agent" else None
    except ValueError:
        return None
