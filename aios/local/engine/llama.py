"""The backend with a real model: llama.cpp, one slot per sequence, first come, first served.

The same call gives the same tokens whatever else the engine does at that time, if it begins without a cache or goes on from
a saved state: so slices do the one or the other.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import httpx

from aios.local.engine import gguf, llama_server, llama_wire
from aios.local.engine.backend import Model
from aios.local.engine.call import Piece, Prompt, Token
from aios.local.engine.refusal import Refusal, failed
from aios.local.engine.slot_files import SlotFiles
from aios.local.engine.slots import Slots
from aios.local.engine.states import DEFAULT_ROOM, States

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence
    from pathlib import Path

    from aios.local.engine.call import Call, Grammar
    from aios.local.engine.llama_server import NativeServer
    from aios.local.engine.slots import Slot
    from aios.local.engine.states import Room

_KNOWN_GRAMMARS = 1024
_GUARD = "@"
_OK = 200


class Llama:
    """Keeps llama.cpp's server as its own, so that nothing but the calls admitted here ever waits inside of it."""

    def __init__(
        self, *, model: Path, slots: int, context: int, data_dir: Path | None = None, room: Room = DEFAULT_ROOM
    ) -> None:
        self.model = Model(id=model.stem, sha=None, max_total_tokens=context)
        self.states: States | None = None
        self._path = model
        self._count = slots
        self._data_dir = data_dir
        self._room = room
        self._slots = Slots(slots)
        # One prompt at a time: read together with another one its numbers come out rounded otherwise, and the same seed
        # draws other tokens. Beside tokens under way they come out the same.
        self._reading = asyncio.Lock()
        self._grammars: dict[Grammar, str | None] = {}
        self._server: NativeServer | None = None

    async def start(self) -> None:
        """Load the model."""
        await asyncio.to_thread(self._load)
        assert self._server is not None
        # llama.cpp's server closes kept connections as it likes; a call sent into that moment would fail.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        # No timeout: a prefill may take any time, and the engine's client decides when to leave.
        patient = httpx.Timeout(None)
        self._http = httpx.AsyncClient(base_url=self._server.listening_address, timeout=patient, limits=limits)
        self._disk = SlotFiles(self._http, self.states)

    def _load(self) -> None:
        self._vocabulary = gguf.vocabulary(self._path)
        self.model = replace(self.model, sha=llama_server.digest(self._path))
        folder = None if self._data_dir is None or not self._room.bytes else self._data_dir / "slots"
        if folder is not None:
            name = llama_server.fingerprint(self._path, sha=self.model.sha)
            self.states = States(folder, fingerprint=name, room=self._room)
        self._server = llama_server.start(
            model=self._path, slots=self._count, context=self.model.max_total_tokens, states=folder
        )

    async def stop(self) -> None:
        """Unload it."""
        await self._http.aclose()
        self._server = None

    def queued(self) -> int:
        """Calls that wait for a slot."""
        return self._slots.waiting

    async def prompt(self, text: str, *, add_special: bool = True, truncate: int | None = None) -> Prompt:
        """A text as a prompt, of its last `truncate` tokens at most."""
        ids = [token["id"] for token in await self._tokens(text, add_special=add_special)]
        if truncate is not None and truncate < len(ids):
            ids = ids[-truncate:]
            text = await self.detokenize(ids)
        return Prompt(text, len(ids), tuple(ids))

    async def tokenize(self, text: str, *, add_special: bool = True) -> Sequence[Piece]:
        """The tokens of a text; one that ends inside a character counts with the whole of it."""
        pieces: list[Piece] = []
        raw = text.encode()
        at = 0
        for token in await self._tokens(text, add_special=add_special):
            end = at + len(self._vocabulary.pieces[token["id"]])
            start, stop = len(raw[:at].decode(errors="ignore")), len(raw[:end].decode(errors="replace"))
            pieces.append(Piece(token["id"], text[start:stop], start, stop))
            at = end
        return pieces

    async def detokenize(self, ids: Sequence[int]) -> str:
        """The text of token ids."""
        return b"".join(self._vocabulary.pieces[token_id] for token_id in ids).decode(errors="replace")

    async def template(self, messages: Sequence[Mapping[str, object]]) -> str:
        """The prompt of a conversation, by the model's own template."""
        answer = await self._http.post("/apply-template", json={"messages": list(messages)})
        if answer.status_code != _OK:
            raise Refusal("template_error", f"Template error: {_message(answer.json())}")
        return str(answer.json()["prompt"])

    async def check_grammar(self, grammar: Grammar) -> str | None:
        """Why the model cannot be kept to a grammar.

        llama.cpp generates freely, and says so only in its log, when it cannot compile a grammar. So each grammar is tried
        once, behind a character that no model would begin with.
        """
        if grammar not in self._grammars:
            if len(self._grammars) >= _KNOWN_GRAMMARS:
                self._grammars.clear()
            self._grammars[grammar] = await self._try_grammar(grammar)
        return self._grammars[grammar]

    async def _try_grammar(self, grammar: Grammar) -> str | None:
        lark = f'%llguidance {{}}\nstart: "{_GUARD}" body\nbody: {llama_wire.rule(grammar)}'
        body = {"prompt": "x", "n_predict": 1, "temperature": 0.0, "grammar": lark}
        async with self._slots.take() as slot, self._reading:
            slot.holds, slot.ids = None, ()
            answer = await self._http.post("/completion", json={**body, "id_slot": slot.number})
        kept = answer.status_code == _OK and answer.json()["content"] == _GUARD
        return None if kept else f"this engine cannot keep to the {grammar.kind} grammar {grammar.source[:200]}"

    async def generate(self, call: Call) -> AsyncGenerator[Sequence[Token], None]:
        """Start a generation."""
        part = call.part
        wanted = part.state if part is not None else None
        async with self._slots.take(ids=call.prompt.ids, state=wanted.id if wanted else None) as slot:
            yield ()
            if part is not None and wanted is not None:
                await self._disk.bring(wanted, part, ids=[*call.prompt.ids, *part.generated], slot=slot)
            slot.holds, slot.ids = None, call.prompt.ids
            last = None
            async with aclosing(self._stream(call, slot)) as batches:
                async for batch in batches:
                    last = batch[-1] if batch else last
                    yield batch
            if part is not None and part.keep and last is not None and not last.special:
                await self._disk.keep(part, prompt=len(call.prompt.ids), slot=slot, last=last.id)

    async def _stream(self, call: Call, slot: Slot) -> AsyncGenerator[Sequence[Token], None]:
        """What llama.cpp makes of a call in its slot; a prompt that must be read is read alone."""
        reads = call.part is None or call.part.state is None
        spell = llama_wire.Speller(self._vocabulary, call.part.generated) if call.part else None
        async with AsyncExitStack() as alone:
            if reads:
                await alone.enter_async_context(self._reading)
            body = llama_wire.request(call, slot=slot.number)
            async with self._http.stream("POST", "/completion", json=body) as answer:
                if answer.status_code != _OK:
                    raise failed(_message(json.loads(await answer.aread())))
                sent = 0
                async for event in _events(answer):
                    await alone.aclose()
                    tokens = llama_wire.tokens(event, sent=sent, vocabulary=self._vocabulary)
                    yield tokens if spell is None else spell.spelt(tokens, event, sent=sent)
                    sent = event["tokens_predicted"]

    async def _tokens(self, text: str, *, add_special: bool) -> list[dict[str, int]]:
        body = {"content": text, "add_special": add_special, "parse_special": True, "with_pieces": True}
        answer = await self._http.post("/tokenize", json=body)
        if answer.status_code != _OK:
            raise failed(_message(answer.json()))
        return cast("list[dict[str, int]]", answer.json()["tokens"])


async def _events(answer: httpx.Response) -> AsyncGenerator[llama_wire.Event, None]:
    """The events of a stream, split here because httpx would also end a line at characters that JSON may hold.

    Raises:
        Refusal: an event says that the generation failed.
    """
    buffer = b""
    async for data in answer.aiter_bytes():
        *lines, buffer = (buffer + data).split(b"\n")
        for line in lines:
            if line.startswith(b"data: {"):
                event = cast("llama_wire.Event", json.loads(line.removeprefix(b"data: ")))
                if "error" in event:
                    raise failed(_message(dict(event)))
                yield event


def _message(answer: Mapping[str, object]) -> str:
    error = answer.get("error")
    return str(error.get("message", error)) if isinstance(error, dict) else str(answer)
