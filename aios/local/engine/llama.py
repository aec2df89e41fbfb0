"""The backend with a real model: llama.cpp, one slot per sequence, first come, first served."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import httpx

from aios.local.engine import gguf, llama_server, llama_wire
from aios.local.engine.backend import Model
from aios.local.engine.call import Piece, Prompt, Token
from aios.local.engine.refusal import Refusal, failed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from aios.local.engine.call import Call, Grammar
    from aios.local.engine.llama_server import NativeServer

_KNOWN_GRAMMARS = 1024
_GUARD = "@"
_OK = 200


class Llama:
    """Keeps llama.cpp's server as its own, so that nothing but the calls admitted here ever waits inside of it."""

    def __init__(self, *, model: Path, slots: int, context: int, data_dir: Path | None) -> None:
        self.model = Model(id=model.stem, sha=None, max_total_tokens=context)
        self._path = model
        self._slots = slots
        self._data_dir = data_dir
        self._free = asyncio.Semaphore(slots)
        self._waiting = 0
        self._grammars: dict[Grammar, str | None] = {}
        self._server: NativeServer | None = None

    async def start(self) -> None:
        """Load the model."""
        await asyncio.to_thread(self._load)
        assert self._server is not None
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=self._slots)
        # No timeout: a prefill may take any time, and the engine's client decides when to leave.
        patient = httpx.Timeout(None)
        self._http = httpx.AsyncClient(base_url=self._server.listening_address, timeout=patient, limits=limits)

    def _load(self) -> None:
        self._vocabulary = gguf.vocabulary(self._path)
        self.model = replace(self.model, sha=llama_server.digest(self._path))
        self._server = llama_server.start(
            model=self._path, slots=self._slots, context=self.model.max_total_tokens, data_dir=self._data_dir
        )

    async def stop(self) -> None:
        """Unload it."""
        await self._http.aclose()
        self._server = None

    def queued(self) -> int:
        """Calls that wait for a slot."""
        return self._waiting

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
        async with self._slot():
            answer = await self._http.post("/completion", json=body)
        kept = answer.status_code == _OK and answer.json()["content"] == _GUARD
        return None if kept else f"this engine cannot keep to the {grammar.kind} grammar {grammar.source[:200]}"

    async def generate(self, call: Call) -> AsyncGenerator[Sequence[Token], None]:
        """Start a generation."""
        async with self._slot():
            yield ()
            async with self._http.stream("POST", "/completion", json=llama_wire.request(call)) as answer:
                if answer.status_code != _OK:
                    raise failed(_message(json.loads(await answer.aread())))
                sent = 0
                async for event in _events(answer):
                    yield llama_wire.tokens(event, sent=sent, vocabulary=self._vocabulary)
                    sent = event["tokens_predicted"]

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._free.release()

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
