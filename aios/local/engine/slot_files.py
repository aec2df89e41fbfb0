"""llama.cpp's slots and their files: a slot's KV state saved at the end of a slice, and brought into another slot."""

from __future__ import annotations

import asyncio
import struct
import time
from typing import TYPE_CHECKING, Final

from aios.local.engine.llama_wire import UNKNOWN
from aios.local.engine.refusal import Refusal
from aios.local.engine.states import Saved, lost

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import httpx

    from aios.local.engine.call import Part
    from aios.local.engine.slots import Slot
    from aios.local.engine.states import StateRef, States

_OK: Final = 200
_MAGIC: Final = 0x67677371  # "ggsq", llama.cpp's file of one sequence
_VERSION: Final = 4
_HEAD: Final = struct.Struct("<III")
_LIST: Final = struct.Struct("<iII")  # in front of the tokens: -1, a version, how many; behind them a zero


class SlotFiles:
    """Saves slots and restores them, through llama.cpp's server."""

    def __init__(self, http: httpx.AsyncClient, states: States | None) -> None:
        self._http = http
        self._states = states
        self._size = 0

    async def bring(self, state: StateRef, part: Part, *, ids: Sequence[int], slot: Slot) -> None:
        """Have a slot in a state; nothing is read if it is in it already.

        Args:
            state: the state.
            part: the slice that goes on from it.
            ids: the prompt and the tokens so far, all but the last of which the state has evaluated.
            slot: where to.

        Raises:
            Refusal: the state is lost.
        """
        if slot.holds == state.id:
            return
        if not state.digest or self._states is None:
            raise lost(f"state {state.id} could not be saved, and its slot is somebody else's by now")
        began = time.perf_counter()
        slot.holds, slot.ids = None, ()
        path = await asyncio.to_thread(self._states.check, state)
        if tokens_in(path) != list(ids[:-1]):
            raise lost(f"state {state.id} is of other tokens")
        answer = await self._http.post(
            f"/slots/{slot.number}", params={"action": "restore"}, json={"filename": path.name}
        )
        if answer.status_code != _OK:
            raise lost(f"state {state.id} cannot be read: {answer.text[:200]}")
        part.restored, part.restore_seconds = True, time.perf_counter() - began

    async def keep(self, part: Part, *, prompt: int, slot: Slot, last: int) -> None:
        """Save a slot's state at the end of a slice; without room on the disk it stays in the slot alone.

        Args:
            part: the slice.
            prompt: tokens of the prompt.
            slot: whose.
            last: id of the slice's last token, which is not evaluated yet; `UNKNOWN`: the slice ends before it.
        """
        assert self._states is not None
        began = time.perf_counter()
        name = self._states.name()
        try:
            path = await self._save(name, slot)
            digest = await asyncio.to_thread(self._states.seal, name)
            found = tokens_in(path)
            self._size = path.stat().st_size
        except (OSError, Refusal):
            self._states.drop([name])
            if last == UNKNOWN:
                return
            saved = Saved(name)
        else:
            part.ids = (*found[prompt + len(part.generated) :], *(() if last == UNKNOWN else (last,)))
            saved = Saved(name, digest, self._size, len(found), time.perf_counter() - began)
        part.saved = saved
        slot.holds = saved.id

    async def _save(self, name: str, slot: Slot) -> Path:
        assert self._states is not None
        if not self._states.has_room(self._size):
            raise OSError("the states' share of the disk is full")
        path = self._states.path(name)
        answer = await self._http.post(f"/slots/{slot.number}", params={"action": "save"}, json={"filename": path.name})
        if answer.status_code != _OK or path.stat().st_size != answer.json()["n_written"]:
            raise OSError(f"llama.cpp did not save: {answer.text[:200]}")
        return path


def tokens_in(path: Path) -> list[int]:
    """The tokens that a slot's file has the state of.

    Raises:
        Refusal: it is no such file.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD.size)
        magic, version, count = _HEAD.unpack(head) if len(head) == _HEAD.size else (0, 0, 0)
        raw = file.read(4 * count)
    if (magic, version) != (_MAGIC, _VERSION) or len(raw) != 4 * count:
        raise lost(f"{path.name} is no file of a slot")
    _, _, tokens = _LIST.unpack_from(raw)
    return list(struct.unpack_from(f"<{tokens}i", raw, _LIST.size))
