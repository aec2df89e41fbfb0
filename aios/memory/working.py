"""Working memory: named blocks of an agent. Postgres is the truth; the cache saves reading their values from it.

A write goes into Postgres in the transaction that completes its syscall, and into the cache after the commit, unless a
newer version is there. A read takes the cached copy only when Postgres says, in the completing transaction, that its
version is the current one: a worker that dies between commit and cache, a wiped Redis or a stale copy costs a miss.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aios.errors import InvalidArgument, NotFound, VersionConflict, did_you_mean
from aios.kernel.payload import read
from aios.kernel.ports import CacheState, Copy, Outcome
from aios.kernel.values import canonical
from aios.memory import blocks, namespace
from aios.memory.payloads import Alloc, Clear, Listing, Place, Read, Write

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aios.db.session import Transaction
    from aios.kernel.ports import BlockCache, Claimed
    from aios.kernel.values import Json, JsonObject
    from aios.settings import MemorySettings

_EMPTY = "null"


class NoCache:
    """A `BlockCache` that never holds anything: every read goes to Postgres."""

    def get(self, namespace: str, name: str) -> Copy | None:
        """Nothing."""

    def put(self, namespace: str, name: str, copy: Copy) -> bool:
        """Not held."""
        del namespace, name, copy
        return False

    def clear(self, namespace: str) -> None:
        """Nothing to do."""

    def state(self, namespace: str) -> CacheState:
        """Away."""
        del namespace
        return CacheState(0, up=False)


class WorkingMemory:
    """The operations `alloc`, `read`, `write`, `clear`, `list` and `stat`."""

    def __init__(self, cache: BlockCache, settings: MemorySettings) -> None:
        self._cache = cache
        self._settings = settings
        self.operations: Mapping[str, Callable[[Claimed], Outcome]] = {
            "alloc": self._alloc,
            "read": self._read,
            "write": self._write,
            "clear": self._clear,
            "list": self._list,
            "stat": self._stat,
        }

    def _alloc(self, call: Claimed) -> Outcome:
        asked = read(Alloc, call.payload)
        place = namespace.of(call, asked.namespace)
        if asked.bytes is not None:
            self._check_size(asked.bytes)

        def change(tx: Transaction, held: blocks.Held) -> Copy:
            capacity = held.capacity if asked.bytes is None else asked.bytes
            pinned = held.pinned if asked.pinned is None else asked.pinned
            text = _EMPTY if held.value is None else held.value
            _check_capacity(text, capacity)
            return self._store(tx, place, asked.name, held, text=text, capacity=capacity, pinned=pinned)

        return self._changed(place, asked.name, change)

    def _write(self, call: Claimed) -> Outcome:
        asked = read(Write, call.payload)
        place = namespace.of(call, asked.namespace)
        text = canonical(asked.value, what=f"the value of block {asked.name!r}").decode()
        self._check_size(len(text.encode()))

        def change(tx: Transaction, held: blocks.Held) -> Copy:
            there = 0 if held.value is None else held.version
            if asked.expect is not None and asked.expect != there:
                raise VersionConflict(asked.name, asked.expect, there)
            _check_capacity(text, held.capacity)
            return self._store(tx, place, asked.name, held, text=text, capacity=held.capacity, pinned=held.pinned)

        return self._changed(place, asked.name, change, usual=text if asked.expect is None else None)

    def _changed(
        self,
        place: str,
        name: str,
        change: Callable[[Transaction, blocks.Held], Copy],
        *,
        usual: str | None = None,
    ) -> Outcome:
        """What changes a block; `usual`: all that it comes to, if nothing is in its way."""
        made: dict[str, Copy] = {}

        def effect(tx: Transaction) -> JsonObject:
            made[name] = change(tx, blocks.lock(tx, place, name))
            return {"version": made[name].version}

        def done(result: JsonObject) -> None:
            made[name] = Copy(result["version"], usual, pinned=False)

        room = self._settings.blocks // 2  # whoever writes beside it does not fill the other half
        clauses = None if usual is None else blocks.writing(place, name, usual, room=room, done=done)
        return Outcome(effect=effect, clauses=clauses, after=lambda: _put(self._cache, place, made))

    def _store(
        self,
        tx: Transaction,
        place: str,
        name: str,
        held: blocks.Held,
        *,
        text: str,
        capacity: int | None,
        pinned: bool,
    ) -> Copy:
        new = held.version == 0
        if new or pinned:
            blocks.close(tx, place)
        if new and blocks.count(tx, place) > self._settings.blocks:
            raise InvalidArgument("block", name, f"a namespace has {self._settings.blocks} blocks at most; reuse names")
        if pinned:
            self._check_pinned(tx, place, name, held, coming=max(len(text.encode()), capacity or 0))
        version = blocks.store(tx, place, name, value=text, capacity=capacity, pinned=pinned, new=new)
        return Copy(version, text, pinned=pinned)

    def _check_pinned(self, tx: Transaction, place: str, name: str, held: blocks.Held, *, coming: int) -> None:
        """Pinned blocks never leave the cache, so they must leave room in it: up to the low mark is theirs."""
        room = int(self._settings.quota_bytes * self._settings.low)
        _, _, pinned_bytes = blocks.totals(tx, place)
        others = pinned_bytes - (max(held.bytes, held.capacity or 0) if held.pinned else 0)
        if others + coming > room:
            raise InvalidArgument(
                "pinned block", name, f"pinned blocks may take {room} bytes, {others} are taken and this needs {coming}"
            )

    def _check_size(self, size: int) -> None:
        if size > self._settings.block_bytes:
            raise InvalidArgument(
                "block", f"{size} bytes", f"give at most {self._settings.block_bytes} bytes, or use storage"
            )

    def _read(self, call: Claimed) -> Outcome:
        asked = read(Read, call.payload)
        place = namespace.of(call, asked.namespace)
        copy = self._cache.get(place, asked.name)
        missed: dict[str, Copy] = {}

        def effect(tx: Transaction) -> JsonObject:
            known = 0 if copy is None or copy.text is None else copy.version
            found = blocks.read(tx, place, asked.name, known=known)
            if found is None:
                raise NotFound("block", _named(asked.name, blocks.names(tx, place)))
            missed.clear()
            text = found.text
            if text is None and copy is not None:
                text = copy.text
            else:
                missed[asked.name] = Copy(found.version, text, pinned=found.pinned)
            return {"value": json.loads(text or _EMPTY), "version": found.version}

        return Outcome(effect=effect, after=lambda: _put(self._cache, place, missed))

    def _clear(self, call: Claimed) -> Outcome:
        asked = read(Clear, call.payload)
        place = namespace.of(call, asked.namespace)
        gone: dict[str, Copy] = {}

        def effect(tx: Transaction) -> JsonObject:
            gone.clear()
            gone.update({name: Copy(v, None) for name, v in blocks.clear(tx, place, asked.name).items()})
            if asked.name is not None and not gone:
                raise NotFound("block", _named(asked.name, blocks.names(tx, place)))
            return {"cleared": len(gone)}

        after = (lambda: self._cache.clear(place)) if asked.name is None else (lambda: _put(self._cache, place, gone))
        return Outcome(effect=effect, after=after)

    def _list(self, call: Claimed) -> Outcome:
        asked = read(Listing, call.payload)
        place = namespace.of(call, asked.namespace)
        cached = set(self._cache.state(place).blocks)

        def effect(tx: Transaction) -> list[JsonObject]:
            found = blocks.listing(tx, place, asked.pattern)
            return [{**b._asdict(), "updated_at": b.updated_at.isoformat(), "cached": b.name in cached} for b in found]

        return Outcome(effect=effect)

    def _stat(self, call: Claimed) -> Outcome:
        place = namespace.of(call, read(Place, call.payload).namespace)
        state = self._cache.state(place)

        def effect(tx: Transaction) -> Json:
            count, size, pinned = blocks.totals(tx, place)
            return {
                "blocks": count,
                "bytes": size,
                "pinned_bytes": pinned,
                "quota_bytes": state.quota_bytes,
                "cached_blocks": len(state.blocks),
                "cached_bytes": state.used_bytes,
                "hits": state.hits,
                "misses": state.misses,
                "evicted": state.evicted,
                "cache_up": state.up,
            }

        return Outcome(effect=effect)


def _put(cache: BlockCache, place: str, copies: Mapping[str, Copy]) -> None:
    for name, copy in copies.items():
        cache.put(place, name, copy)


def _check_capacity(text: str, capacity: int | None) -> None:
    size = len(text.encode())
    if capacity is not None and size > capacity:
        raise InvalidArgument("block", f"{size} bytes", f"it was allocated with {capacity} bytes: allocate more")


def _named(name: str, known: list[str]) -> str:
    near = did_you_mean(name, known)
    return f"{name} (did you mean {', '.join(near)}?)" if near else name
