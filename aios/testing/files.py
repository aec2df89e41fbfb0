"""A fake of the pool `storage` as a whole: versions of files in a dict, with the paths and refusals of the real one."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from aios.errors import InvalidArgument, NotFound, VersionConflict
from aios.kernel import paths
from aios.kernel.payload import read
from aios.kernel.ports import Outcome
from aios.storage import pattern
from aios.storage.files import Content
from aios.storage.media import media_type
from aios.storage.payloads import Delete, History, List, Path, Read, Rollback, Write
from aios.storage.reading import part
from aios.testing.lacks import NotFaked
from aios.testing.versions import Version, line, told

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from uuid import UUID

    from aios.kernel.ports import Claimed
    from aios.kernel.values import Json, JsonObject


def _now() -> datetime:
    return datetime.now(tz=UTC)


class FakeFiles:
    """An `Executor` of the pool `storage`.

    Attributes:
        versions: of every file that there ever was, oldest first, by canonical path.
    """

    def __init__(self, *, clock: Callable[[], datetime] = _now) -> None:
        self.versions: dict[str, list[Version]] = {}
        self._folders: dict[str, datetime] = {}
        self._clock = clock
        self._operations: Mapping[str, Callable[[Claimed], Json]] = {
            "write": lambda call: self._write(call, read(Write, call.payload)),
            "create": lambda call: self._write(call, read(Write, {**call.payload, "expect": 0})),
            "append": self._append,
            "mkdir": self._mkdir,
            "read": self._read,
            "list": self._list,
            "stat": self._stat,
            "delete": self._delete,
            "history": self._history,
            "rollback": self._rollback,
        }

    def perform(self, call: Claimed) -> Outcome:
        """Do it as the outcome's effect.

        Raises:
            NotFaked: only the real one does that.
        """
        operation = self._operations.get(call.op)
        if operation is None:
            raise NotFaked(f"storage.{call.op}", f"FakeFiles does {', '.join(self._operations)}")
        return Outcome(effect=lambda _tx: operation(call))

    def cancel(self, syscall: UUID) -> None:
        """Nothing to stop."""

    def contents(self) -> dict[str, bytes]:
        """What is in every file that is there, by canonical path."""
        newest = {path: versions[-1].data for path, versions in sorted(self.versions.items())}
        return {path: data for path, data in newest.items() if data is not None}

    def _write(self, call: Claimed, asked: Write) -> Json:
        path = _path(call, asked.path)
        return told(path, self._put(call, path, asked.data(), expect=asked.expect))

    def _append(self, call: Claimed) -> Json:
        asked = read(Write, call.payload)
        path = _path(call, asked.path)
        before = self.contents().get(path, b"")
        return told(path, self._put(call, path, before + asked.data(), op="append", expect=asked.expect))

    def _put(
        self,
        call: Claimed,
        path: str,
        data: bytes | None,
        *,
        op: str = "write",
        expect: int | None = None,
        origin: str | None = None,
    ) -> Version:
        if path in self._folders:
            raise InvalidArgument("path", path, "it is a folder; name a file in it")
        versions = self.versions.get(path, [])
        there = versions[-1].number if versions and versions[-1].data is not None else 0
        if expect is not None and expect != there:
            raise VersionConflict(path, expect, there)
        if data is not None:
            self._make_folders(paths.ancestors(path), path)
        number = versions[-1].number + 1 if versions else 1
        made = Version(number, data, op, call.agent_id, self._clock(), origin)
        self.versions.setdefault(path, []).append(made)
        return made

    def _mkdir(self, call: Claimed) -> Json:
        path = _path(call, read(Path, call.payload).path)
        made = self._make_folders([*paths.ancestors(path), path], path)
        return {"path": path, "made": path in made}

    def _make_folders(self, wanted: list[str], path: str) -> list[str]:
        taken = next((folder for folder in wanted if folder in self.contents()), None)
        if taken is not None:
            raise InvalidArgument("path", path, f"{taken} is a file, so nothing can be in it")
        missing = [folder for folder in wanted if folder not in self._folders]
        self._folders.update(dict.fromkeys(missing, self._clock()))
        return missing

    def _read(self, call: Claimed) -> Json:
        asked = read(Read, call.payload)
        path = _path(call, asked.path)
        versions = self.versions.get(path, [])
        wanted = [one for one in versions if asked.version in (None, one.number)][-1:]
        if not wanted or wanted[0].data is None:
            which = "" if asked.version is None else f", version {asked.version}"
            raise NotFound("file", f"{asked.path}{which}")
        data = wanted[0].data
        found = Content(wanted[0].number, data, media_type(path, data))
        return {"path": path, "version": found.version, **part(found, asked)}

    def _list(self, call: Claimed) -> Json:
        asked = read(List, call.payload)
        wanted = _path(call, asked.pattern)
        files = {path: {"media_type": media_type(path, data)} for path, data in self.contents().items()}
        every = {path: {**told(path, self.versions[path][-1]), **about} for path, about in files.items()}
        every |= {path: self._folder(path) for path in self._folders if asked.folders}
        return [every[path] for path in sorted(every) if pattern.matches(wanted, path)]

    def _folder(self, path: str) -> JsonObject:
        return {"path": path, "version": 0, "size": 0, "updated_at": self._folders[path].isoformat(), "folder": True}

    def _stat(self, call: Claimed) -> Json:
        path = _path(call, read(Path, call.payload).path)
        if path in self._folders:
            at = self._folders[path].isoformat()
            return {"path": path, "folder": True, "created_at": at, "updated_at": at}
        data = self.contents().get(path)
        if data is None:
            raise NotFound("file", path)
        versions = self.versions[path]
        return {
            **told(path, versions[-1]),
            "folder": False,
            "media_type": media_type(path, data),
            "digest": hashlib.sha256(data).hexdigest(),
            "versions": len(versions),
            "indexed": False,
            "parts": 0,
            "created_at": versions[0].at.isoformat(),
        }

    def _delete(self, call: Claimed) -> Json:
        asked = read(Delete, call.payload)
        path = _path(call, asked.path)
        if path in self._folders and (asked.everything or asked.expect is None):
            return self._delete_folder(call, path, everything=asked.everything)
        if asked.everything:
            raise NotFound("folder", path)
        if path not in self.contents():
            raise NotFound("file", path)
        return {"path": path, "version": self._put(call, path, None, op="delete", expect=asked.expect).number}

    def _delete_folder(self, call: Claimed, path: str, *, everything: bool) -> Json:
        files = [one for one in self.contents() if one.startswith(path + "/")]
        folders = [one for one in self._folders if one.startswith(path + "/")]
        if (files or folders) and not everything:
            inside = [*files, *folders][0]
            remedy = f"it is not empty ({inside} is in it); remove that first, or all of it"
            raise InvalidArgument("folder", path, remedy)
        for one in files:
            self._put(call, one, None, op="delete")
        for one in (*folders, path):
            del self._folders[one]
        return {"path": path, "files": len(files)}

    def _history(self, call: Claimed) -> Json:
        asked = read(History, call.payload)
        path = _path(call, asked.path)
        if path not in self.versions:
            raise NotFound("file", path)
        return [line(path, version) for version in self.versions[path][: -asked.limit - 1 : -1]]

    def _rollback(self, call: Claimed) -> Json:
        asked = read(Rollback, call.payload)
        path, before = _path(call, asked.path), asked.at()
        versions = self.versions.get(path)
        if not versions:
            raise NotFound("file", path)
        to = asked.to if asked.to is not None else versions[-1].number - (asked.versions or 1)
        known = [one for one in versions if (one.at <= before if before is not None else one.number == to)]
        if not known:
            raise NotFound("version of file", f"{path} (the oldest that is kept is {versions[0].number})")
        wanted = known[-1]
        if wanted.data is None and path not in self.contents():
            raise NotFound("file", f"{path}: it is deleted, and was at version {wanted.number}")
        origin = f"version {wanted.number}"
        made = self._put(call, path, wanted.data, op="rollback", expect=asked.expect, origin=origin)
        if made.data is None:
            return {"path": path, "version": made.number, "size": 0, "restored": wanted.number, "deleted": True}
        return {**told(path, made), "restored": wanted.number, "deleted": False}


def _path(call: Claimed, path: str) -> str:
    return paths.canonical(path, home=paths.folder(call.agent_id))
