"""A fake of working memory, in a dict: the same versions and refusals, no quota."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from aios.errors import InvalidArgument, NotFound, VersionConflict, did_you_mean
from aios.kernel.payload import read
from aios.kernel.values import canonical
from aios.memory import namespace
from aios.memory.payloads import Alloc, Clear, Listing, Read, Write

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from aios.kernel.ports import Claimed
    from aios.kernel.values import Json


@dataclass
class _Block:
    """A block; `text` is None once it is cleared: its versions go on."""

    text: str | None = None
    version: int = 0
    room: int | None = None
    pinned: bool = False
    updated_at: datetime | None = None


@dataclass
class FakeBlocks:
    """The operations of working memory on blocks by namespace and name."""

    clock: Callable[[], datetime]
    _blocks: dict[str, dict[str, _Block]] = field(default_factory=dict)

    @property
    def operations(self) -> Mapping[str, Callable[[Claimed], Json]]:
        """By name."""
        return {
            "alloc": self._alloc,
            "write": self._write,
            "read": self._read,
            "clear": self._clear,
            "list": self._list,
        }

    def _alloc(self, call: Claimed) -> Json:
        asked = read(Alloc, call.payload)
        block = self._block(call, asked.namespace, asked.name)
        room = block.room if asked.bytes is None else asked.bytes
        return self._put(
            block, block.text or "null", room, pinned=block.pinned if asked.pinned is None else asked.pinned
        )

    def _write(self, call: Claimed) -> Json:
        asked = read(Write, call.payload)
        text = canonical(asked.value, what=f"the value of block {asked.name!r}").decode()
        block = self._block(call, asked.namespace, asked.name)
        there = 0 if block.text is None else block.version
        if asked.expect is not None and asked.expect != there:
            raise VersionConflict(asked.name, asked.expect, there)
        return self._put(block, text, block.room, pinned=block.pinned)

    def _put(self, block: _Block, text: str, room: int | None, *, pinned: bool) -> Json:
        size = len(text.encode())
        if room is not None and size > room:
            raise InvalidArgument("block", f"{size} bytes", f"it was allocated with {room} bytes: allocate more")
        block.text, block.room, block.pinned = text, room, pinned
        block.version, block.updated_at = block.version + 1, self.clock()
        return {"version": block.version}

    def _read(self, call: Claimed) -> Json:
        asked = read(Read, call.payload)
        block = self._block(call, asked.namespace, asked.name)
        if block.text is None:
            raise NotFound("block", self._named(call, asked.namespace, asked.name))
        return {"value": json.loads(block.text), "version": block.version}

    def _clear(self, call: Claimed) -> Json:
        asked = read(Clear, call.payload)
        live = self._live(call, asked.namespace)
        if asked.name is not None and asked.name not in live:
            raise NotFound("block", self._named(call, asked.namespace, asked.name))
        gone = live.values() if asked.name is None else [live[asked.name]]
        for block in gone:
            block.text, block.room, block.pinned = None, None, False
            block.version, block.updated_at = block.version + 1, self.clock()
        return {"cleared": len(gone)}

    def _list(self, call: Claimed) -> Json:
        asked = read(Listing, call.payload)
        return [
            {
                "name": name,
                "bytes": len((block.text or "").encode()),
                "pinned": block.pinned,
                "version": block.version,
                "updated_at": block.updated_at.isoformat() if block.updated_at else "",
                "cached": False,
            }
            for name, block in sorted(self._live(call, asked.namespace).items())
            if fnmatchcase(name, asked.pattern)
        ]

    def _block(self, call: Claimed, place: str, name: str) -> _Block:
        return self._blocks.setdefault(namespace.of(call, place), {}).setdefault(name, _Block())

    def _live(self, call: Claimed, place: str) -> dict[str, _Block]:
        known = self._blocks.get(namespace.of(call, place), {})
        return {name: block for name, block in known.items() if block.text is not None}

    def _named(self, call: Claimed, place: str, name: str) -> str:
        near = did_you_mean(name, list(self._live(call, place)))
        return f"{name} (did you mean {', '.join(near)}?)" if near else name
