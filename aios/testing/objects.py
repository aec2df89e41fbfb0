"""A fake object store."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from aios.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

_DIGEST_LENGTH = 64


class FakeObjects:
    """An `ObjectStore` in memory.

    Attributes:
        objects: what is stored, by name.
        puts: names in the order in which they were put.
    """

    def __init__(self, name: str = "fake://") -> None:
        self.name = name
        self.objects: dict[str, bytes] = {}
        self.puts: list[str] = []
        self._put_at: dict[str, float] = {}

    def put(self, name: str, data: bytes) -> None:
        """Store an object."""
        if len(name) != _DIGEST_LENGTH or set(name) - set("0123456789abcdef"):
            raise InvalidArgument("object", name, "an object's name is a SHA-256 in hexadecimal digits")
        self.objects[name] = data
        self.puts.append(name)
        self._put_at[name] = time.monotonic()

    def get(self, name: str) -> bytes | None:
        """An object, or None."""
        return self.objects.get(name)

    def has(self, name: str) -> bool:
        """Whether an object is there."""
        return name in self.objects

    def remove(self, name: str) -> None:
        """Remove an object, if it is there."""
        self.objects.pop(name, None)

    def older_than(self, age: timedelta) -> Iterator[str]:
        """Names of the objects that were put at least so long ago."""
        latest = time.monotonic() - age.total_seconds()
        yield from [name for name in self.objects if self._put_at[name] <= latest]
