"""Files for operators: what `agent.storage` does, done at once, on every file there is. It needs the database, no worker."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from aios.errors import InvalidArgument
from aios.kernel import paths
from aios.kernel.ids import new_id, new_token
from aios.kernel.ports import Claimed
from aios.storage import newest
from aios.storage.executor import StorageExecutor
from aios.storage.store import OPERATOR

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aios.bootstrap.parts import Parts
    from aios.kernel.values import Json, JsonObject
    from aios.storage.links import Opened
    from aios.storage.newest import Newest

_AGENT: Final = re.compile(r"@([^/]+)/(.*)", re.DOTALL)
_SECONDS: Final = 600.0


class Files:
    """The files of one AIOS, as a person sees them. A relative path is below `/shared/`; `@last/x` is the newest agent's x."""

    def __init__(self, parts: Parts, *, find: Callable[[str], str]) -> None:
        """Nothing is opened before it is used.

        Args:
            parts: of the system.
            find: gives an agent's id from a part of it, or `last`.
        """
        self._parts = parts
        self._find = find

    def perform(self, op: str, **payload: Json) -> Json:
        """Do one operation; its name and arguments are those of the syscall.

        Raises:
            CallerError: it cannot be done; the message says why.
        """
        for name in ("path", "source", "target", "pattern", "left", "right"):
            if isinstance(payload.get(name), str):
                payload[name] = self.path(payload[name])
        store = replace(self._parts.store, home=paths.SHARED)
        outcome = StorageExecutor(store).perform(_call(op, payload))
        assert outcome.effect is not None
        with self._parts.database.transaction() as tx:
            return outcome.effect(tx)

    def path(self, given: str) -> str:
        """A path with `@AGENT/` written out."""
        match = _AGENT.fullmatch(given)
        return f"/agents/{self._find(match[1])}/{match[2]}" if match else given

    def roots(self) -> Sequence[str]:
        """The folders that everything lies in, as far as something does."""
        with self._parts.database.statement() as tx:
            found = tx.exec_driver_sql(
                "SELECT DISTINCT regexp_substr(path, '^/(shared|[^/]+/[^/]+)/') FROM files WHERE NOT deleted ORDER BY 1"
            )
            return [root for root in found.scalars() if root]

    def read(self, path: str, *, version: int | None = None) -> bytes:
        """A file's bytes."""
        found = self.perform("read", path=path, version=version, encoding="base64")
        return base64.b64decode(found["content"])

    def write(self, path: str, data: bytes, *, expect: int | None = None) -> JsonObject:
        """Write a whole file as a new version."""
        content = base64.b64encode(data).decode()
        written: JsonObject = self.perform("write", path=path, content=content, encoding="base64", expect=expect)
        return written

    def newest(self, folder: str) -> Sequence[Newest]:
        """The newest version of every file that is or was in a folder, deletions among them, with their digests."""
        with self._parts.database.statement() as tx:
            return newest.newest(tx, folder)

    def system(self) -> str:
        """Which AIOS these files are of: the same in all its processes, another one for any other."""
        with self._parts.database.statement() as tx:
            return newest.system(tx)

    def open_link(self, link: str) -> Opened:
        """What a share link opens.

        Raises:
            LinkRefused: it is forged, expired or revoked, or its file is gone.
        """
        store = self._parts.store
        if store.links is None:
            raise InvalidArgument("link", link, "this system makes none")
        with self._parts.database.statement() as tx:
            return store.links.open(tx, link, blobs=store.blobs)

    def reindex(self) -> int:
        """Have everything that another embedder made embedded again; gives how many files the workers will take up."""
        assert self._parts.store.index is not None
        return self._parts.store.index.reindex()


def _call(op: str, payload: JsonObject) -> Claimed:
    return Claimed(
        id=new_id(),
        agent_id=OPERATOR,
        request_id=new_id(),
        position=0,
        pool="storage",
        op=op,
        payload=payload,
        token=new_token(),
        attempt=1,
        errors=0,
        priority=0,
        program="",
        tenant="",
        seconds_left=_SECONDS,
    )
