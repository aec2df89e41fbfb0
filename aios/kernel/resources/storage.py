"""`agent.storage`: files."""

from __future__ import annotations

from dataclasses import dataclass

from aios.kernel.request import Request, nothing


@dataclass(frozen=True)
class FileInfo:
    """One file as `storage.list` and `storage.write` tell it."""

    path: str
    version: int
    size: int
    updated_at: str = ""


class Storage:
    """`agent.storage`: files, every write of which is a version. A relative path is below the agent's own folder."""

    def write(self, path: str, content: str) -> Request[FileInfo]:
        """Write a whole file as a new version."""
        return Request("storage", "write", {"path": path, "content": content}, decode=lambda r: FileInfo(**r[-1]))

    def read(self, path: str, *, version: int | None = None) -> Request[str]:
        """A file's text, of its newest version unless another is named."""
        return Request("storage", "read", {"path": path, "version": version}, decode=lambda r: str(r[-1]["content"]))

    def list(self, pattern: str = "**") -> Request[list[FileInfo]]:
        """The files that match a glob pattern, by path."""
        return Request("storage", "list", {"pattern": pattern}, decode=lambda r: [FileInfo(**f) for f in r[-1]])

    def delete(self, path: str) -> Request[None]:
        """Delete a file; its versions stay."""
        return Request("storage", "delete", {"path": path}, decode=nothing)
