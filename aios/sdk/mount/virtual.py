"""The virtual side of a mount: one folder of files with versions, each changed only if nobody else was quicker."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from aios.errors import InvalidArgument, NotFound, PathDenied, VersionConflict
from aios.kernel import paths
from aios.kernel.mirroring import Version

if TYPE_CHECKING:
    from aios.sdk.files import Files


class Virtual:
    """One virtual folder. Where somebody was quicker, an operation gives None and does nothing."""

    def __init__(self, files: Files, folder: str) -> None:
        """Look at it; it is made by the first file in it.

        Args:
            files: of the system.
            folder: as a person writes it: `notes`, `/shared`, `@last/drafts`.

        Raises:
            InvalidArgument: it is no folder.
        """
        self._files = files
        self.folder = _canonical(files, folder)
        with suppress(NotFound, PathDenied):  # a root such as /shared is denied, as it is nothing by itself
            if not files.perform("stat", path=self.folder)["folder"]:
                raise InvalidArgument("folder", self.folder, "it is a file; name the folder that it is in")

    def look(self) -> dict[str, Version]:
        """The newest version of each path that is or was in it."""
        above = f"{self.folder}/"
        return {
            one.path.removeprefix(above): Version(one.version, one.digest.hex() if one.digest else None)
            for one in self._files.newest(self.folder)
        }

    def read(self, path: str, *, version: int) -> bytes | None:
        """The content of a version; None: it is gone."""
        try:
            return self._files.read(self._whole(path), version=version)
        except NotFound:
            return None

    def write(self, path: str, data: bytes, *, expect: int) -> int | None:
        """Write a new version, and give its number.

        Args:
            path: below the folder.
            data: the content.
            expect: the version that it replaces; 0: there must be none.

        Raises:
            InvalidArgument: the virtual tree does not take such a name.
        """
        with suppress(VersionConflict):
            return int(self._files.write(self._whole(path), data, expect=expect)["version"])
        return None

    def delete(self, path: str, *, expect: int) -> int | None:
        """Delete a file, as a version too, and the folders that are empty then."""
        whole = self._whole(path)
        try:
            version = int(self._files.perform("delete", path=whole, expect=expect)["version"])
        except (VersionConflict, NotFound):
            return None
        with suppress(InvalidArgument, NotFound):  # the first one that is not empty ends it
            for folder in reversed(paths.ancestors(whole)):
                if len(folder) > len(self.folder):
                    self._files.perform("delete", path=folder)
        return version

    def _whole(self, path: str) -> str:
        """The absolute path, if it is spelt in the one way in which the tree spells it: else it would come back as another."""
        whole = f"{self.folder}/{path}"
        if paths.canonical(whole, home=paths.SHARED) != whole:
            raise InvalidArgument("name", path, "files here have composed names (Unicode NFC); rename it")
        return whole


def _canonical(files: Files, folder: str) -> str:
    name = "/any"
    try:
        return paths.canonical(files.path(folder.rstrip("/") + name), home=paths.SHARED).removesuffix(name)
    except PathDenied as error:
        raise InvalidArgument("folder", folder, "give one in /agents/ID, /groups/NAME or /shared") from error
