"""The operations on share links."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aios.errors import Misconfigured
from aios.kernel.payload import read as read_payload
from aios.storage import links
from aios.storage.payloads import Path, Share, Unshare
from aios.storage.store import author

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aios.db.session import Transaction
    from aios.kernel.ports import Claimed
    from aios.kernel.values import JsonObject
    from aios.storage.store import Effect, Operation, Store


def _share(store: Store, call: Claimed) -> Effect:
    """Make a link that opens a file for anybody, for a time."""
    asked = read_payload(Share, call.payload)
    path, made = store.path(call, asked.path), store.links
    if made is None:
        raise Misconfigured("this worker has no key to sign share links", "set storage.share_key")

    def effect(tx: Transaction) -> JsonObject:
        return made.make(tx, path, id=call.id, version=asked.version, seconds=asked.seconds, agent_id=author(call))

    return effect


def _unshare(store: Store, call: Claimed) -> Effect:
    """Let a link open nothing any more."""
    asked = read_payload(Unshare, call.payload)
    path = store.path(call, asked.path)
    return lambda tx: {"path": path, "revoked": links.revoke(tx, path, asked.link)}


def _links(store: Store, call: Claimed) -> Effect:
    """List the links to a file."""
    path = store.path(call, read_payload(Path, call.payload).path)
    return lambda tx: links.of_file(tx, path)


OPERATIONS: Final[Mapping[str, Operation]] = {"share": _share, "unshare": _unshare, "links": _links}
