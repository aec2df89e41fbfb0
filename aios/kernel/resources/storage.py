"""`agent.storage`: files."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aios.errors import InvalidArgument
from aios.kernel.request import Request, nothing

if TYPE_CHECKING:
    from datetime import datetime

    from aios.kernel.values import JsonObject


@dataclass(frozen=True)
class FileInfo:
    """One file (or folder) as `storage.list`, `storage.write` and others tell it."""

    path: str
    version: int
    size: int
    updated_at: str = ""
    media_type: str = ""
    folder: bool = False


class Storage:
    """`agent.storage`: files, every write of which is a version. A relative path is below the agent's own folder.

    Other areas are `/groups/<name>/...`, `/shared/...` and `/agents/<id>/...`, as far as the access rules let the agent.
    """

    def write(self, path: str, content: str | bytes, *, expect: int | None = None) -> Request[FileInfo]:
        """Write a whole file as a new version.

        Args:
            path: the file; folders that are missing are made.
            content: text or bytes.
            expect: the version that this replaces (0: none); another one raises `VersionConflict`. None: the last writer
                wins.
        """
        return Request("storage", "write", {"path": path, **_content(content), **_given(expect=expect)}, decode=_info)

    def create(self, path: str, content: str | bytes = "") -> Request[FileInfo]:
        """Write a file that must not exist yet, else `VersionConflict`."""
        return Request("storage", "create", {"path": path, **_content(content)}, decode=_info)

    def append(self, path: str, content: str | bytes) -> Request[FileInfo]:
        """Add to the end of a file, or make it; nothing of another writer is lost in between."""
        return Request("storage", "append", {"path": path, **_content(content)}, decode=_info)

    def read(self, path: str, *, version: int | None = None, start: int = 0, length: int | None = None) -> Request[str]:
        """A file's text, of its newest version unless another is named.

        Args:
            path: the file.
            version: which one.
            start: first byte; moved back to where its character begins.
            length: bytes at most; no character is cut. None: all.
        """
        args = {"path": path, "version": version, **({"start": start} if start else {}), **_given(length=length)}
        return Request("storage", "read", args, decode=lambda r: str(r[-1]["content"]))

    def read_bytes(
        self, path: str, *, version: int | None = None, start: int = 0, length: int | None = None
    ) -> Request[bytes]:
        """A file's bytes, or a range of them."""
        args = {"path": path, "version": version, "start": start, "encoding": "base64", **_given(length=length)}
        return Request("storage", "read", args, decode=lambda r: base64.b64decode(r[-1]["content"]))

    def list(self, pattern: str = "**", *, folders: bool = False) -> Request[list[FileInfo]]:
        """The files that match a glob pattern, by path: `*` and `?` stay within a name, `**` spans folders."""
        args = {"pattern": pattern, **({"folders": True} if folders else {})}
        return Request("storage", "list", args, decode=lambda r: [FileInfo(**f) for f in r[-1]])

    def mkdir(self, path: str) -> Request[None]:
        """Make a folder and those it lies in; one that is there is left as it is."""
        return Request("storage", "mkdir", {"path": path}, decode=nothing)

    def stat(self, path: str) -> Request[JsonObject]:
        """What is known of a file or folder: version, size, media type, digest, times, whether search knows it."""
        return Request("storage", "stat", {"path": path})

    def move(self, source: str, target: str, *, replace: bool = False) -> Request[list[FileInfo]]:
        """Move a file, or a folder with all that is in it. What is at the target is kept unless `replace` is set."""
        args = {"source": source, "target": target, "replace": replace}
        return Request("storage", "move", args, decode=lambda r: [FileInfo(**f) for f in r[-1]])

    def copy(self, source: str, target: str, *, replace: bool = False) -> Request[list[FileInfo]]:
        """Copy a file, or a folder with all that is in it; the contents are stored once."""
        args = {"source": source, "target": target, "replace": replace}
        return Request("storage", "copy", args, decode=lambda r: [FileInfo(**f) for f in r[-1]])

    def delete(self, path: str, *, everything: bool = False, expect: int | None = None) -> Request[None]:
        """Delete a file, or an empty folder; its versions stay.

        Args:
            path: the file or folder.
            everything: of a folder: with all that is in it.
            expect: the version that is to go; another one raises `VersionConflict`.
        """
        args = {"path": path, **({"everything": True} if everything else {}), **_given(expect=expect)}
        return Request("storage", "delete", args, decode=nothing)

    def history(self, path: str, *, limit: int = 100) -> Request[list[JsonObject]]:
        """The versions that are kept, newest first: when, by whom, by which operation, how large."""
        return Request("storage", "history", {"path": path, "limit": limit})

    def rollback(
        self,
        path: str,
        versions: int | None = None,
        *,
        to: int | None = None,
        before: datetime | None = None,
        expect: int | None = None,
    ) -> Request[JsonObject]:
        """Give a file back the content that it had, as a new version.

        Args:
            path: the file.
            versions: so many versions back; 1 if nothing else is said.
            to: the version to go back to.
            before: as it was at this instant; it must know its zone.
            expect: the version that the file is at; another one raises `VersionConflict`.
        """
        if before is not None and before.tzinfo is None:
            raise InvalidArgument("before", str(before), "give an instant that knows its zone")
        instant = before.isoformat() if before is not None else None
        return Request(
            "storage", "rollback", {"path": path, **_given(versions=versions, to=to, before=instant, expect=expect)}
        )

    def diff(self, path: str, *, old: int | None = None, new: int | None = None) -> Request[str]:
        """What changed between two versions of a text, as a unified diff; by default by the newest one."""
        args = {"path": path, **_given(old=old, new=new)}
        return Request("storage", "diff", args, decode=lambda r: str(r[-1]["diff"]))


def _info(results: list[JsonObject]) -> FileInfo:
    return FileInfo(**results[-1])


def _content(content: str | bytes) -> JsonObject:
    if isinstance(content, bytes):
        return {"content": base64.b64encode(content).decode(), "encoding": "base64"}
    return {"content": content}


def _given(**values: object) -> JsonObject:
    return {name: value for name, value in values.items() if value is not None}
