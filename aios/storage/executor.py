"""The storage pool's executor: each operation happens in the transaction that completes its syscall."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from aios.errors import InvalidArgument, NotFound
from aios.kernel import paths
from aios.kernel.payload import Payload, read
from aios.kernel.ports import Outcome
from aios.storage import files, pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from uuid import UUID

    from aios.db.session import Transaction
    from aios.kernel.ports import Claimed
    from aios.kernel.values import JsonObject
    from aios.storage.files import Stored


class Write(Payload):
    """A whole file as a new version."""

    path: str
    content: str


class Read(Payload):
    """A version's text; None: the newest one."""

    path: str
    version: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None


class List(Payload):
    """The files that match a glob pattern."""

    pattern: str = "**"


class Delete(Payload):
    """A deletion as a new version."""

    path: str


class StorageExecutor:
    """Executes the syscalls of the pool `storage`."""

    def perform(self, call: Claimed) -> Outcome:
        """Check the operation; its statements are the outcome's effect.

        Raises:
            InvalidArgument: the operation or its payload is none.
            PathDenied: the path leads out of the agent's folder.
        """
        prepare = _OPERATIONS.get(call.op)
        if prepare is None:
            raise InvalidArgument("operation", call.op, f"the pool `storage` knows {', '.join(_OPERATIONS)}")
        return Outcome(effect=prepare(call))

    def cancel(self, syscall: UUID) -> None:
        """Nothing to stop: a statement whose claim is gone is rolled back."""


def _write(call: Claimed) -> Callable[[Transaction], JsonObject]:
    asked = read(Write, call.payload)
    path = paths.resolve(asked.path, call.agent_id)
    data = asked.content.encode()

    def effect(tx: Transaction) -> JsonObject:
        return _told(files.write(tx, path, data, agent_id=call.agent_id, syscall_id=call.id))

    return effect


def _read(call: Claimed) -> Callable[[Transaction], JsonObject]:
    asked = read(Read, call.payload)
    path = paths.resolve(asked.path, call.agent_id)

    def effect(tx: Transaction) -> JsonObject:
        found = files.read(tx, path, version=asked.version)
        if found is None:
            which = "" if asked.version is None else f", version {asked.version}"
            raise NotFound("file", f"{asked.path}{which}")
        return {"path": path, "version": found.version, "content": found.data.decode()}

    return effect


def _list(call: Claimed) -> Callable[[Transaction], list[JsonObject]]:
    wanted = paths.resolve(read(List, call.payload).pattern, call.agent_id)

    def effect(tx: Transaction) -> list[JsonObject]:
        found = files.below(tx, pattern.literal_prefix(wanted), agent_id=call.agent_id)
        return [_told(file) for file in found if pattern.matches(wanted, file.path)]

    return effect


def _delete(call: Claimed) -> Callable[[Transaction], JsonObject]:
    asked = read(Delete, call.payload)
    path = paths.resolve(asked.path, call.agent_id)

    def effect(tx: Transaction) -> JsonObject:
        version = files.delete(tx, path, syscall_id=call.id)
        if version is None:
            raise NotFound("file", asked.path)
        return {"path": path, "version": version}

    return effect


def _told(file: Stored) -> JsonObject:
    return {"path": file.path, "version": file.version, "size": file.size, "updated_at": file.updated_at.isoformat()}


_OPERATIONS: Mapping[str, Callable[[Claimed], Callable[[Transaction], object]]] = {
    "write": _write,
    "read": _read,
    "list": _list,
    "delete": _delete,
}
