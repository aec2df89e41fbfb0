"""The driver for OpenAI-compatible servers (vLLM, SGLang, llama.cpp, Ollama, hosted APIs), through the `openai` package.

The package's own retries are off: a retry is the kernel's decision, and must be seen in the journal.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, Literal, cast
from urllib.parse import urlsplit

from openai import AsyncOpenAI

from aios.errors import AiosError, EngineFailed, EngineRefused
from aios.kernel.ports import CoreInfo, Finish, Token
from aios.llm import parse, spoken
from aios.llm.connection import Connection, guard
from aios.llm.openai_faults import translated
from aios.llm.sliced import begin_anew

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    import httpx2

    from aios.kernel.ports import Prompt
    from aios.kernel.values import JsonObject
    from aios.settings import LLMSettings

_INFO_SECONDS: Final = 60.0
_HEALTH_SECONDS: Final = 2.0
_CONTEXT_TOKENS: Final = 8192  # of a server that does not say
_CONTEXT_FIELDS: Final = ("max_model_len", "context_length", "max_context_length", "n_ctx", "n_ctx_train")
_NO_LIMIT: Final = 1_000_000  # OpenAI's interface tells none; the registry's slots count


class OpenAIDriver:
    """Speaks to one OpenAI-compatible server.

    Attributes:
        name: the core's name, in errors and in the journal.
        resume: a generation that was cut off starts again at its first token: the interface takes text, not states.
    """

    resume: Literal["kv", "rerun", "none"] = "rerun"

    def __init__(
        self,
        *,
        url: str,
        settings: LLMSettings,
        name: str = "openai",
        context_tokens: int = 0,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        """`url` may end in `/v1`, or in whatever stands for it; `settings.model` is the model asked for."""
        self.name = name
        self._settings = settings
        self._context_tokens = context_tokens
        with translated(name, seconds=settings.connect_seconds):
            self._connection = Connection(
                url=url,
                connect_seconds=settings.connect_seconds,
                token_seconds=settings.token_seconds,
                transport=transport,
            )
            self._client = AsyncOpenAI(
                base_url=_base(url),
                api_key=settings.api_key or "none",  # else the user's own would be read from the environment
                organization="",
                project="",
                max_retries=0,
                http_client=self._connection,
            )
        self._info: tuple[float, CoreInfo] | None = None

    async def generate(self, prompt: Prompt) -> AsyncGenerator[Token | Finish, None]:
        """Pieces of text as they come, then one `Finish`. The interface tells no ids of tokens."""
        begin_anew(prompt, core=self.name)
        draft, names = parse.ChatDraft(), spoken.names(prompt.messages, prompt.tools)
        with translated(self.name, seconds=self._settings.token_seconds):
            guard(prompt.valid)
            model = prompt.model or (await self.info()).model
            chunks = await (self._chat(prompt, model, names) if prompt.text is None else self._complete(prompt, model))
            async with aclosing(self._unhurried(chunks)) as stream:
                async for chunk in stream:
                    said = chunk.to_dict()
                    if any(choice.get("finish_reason") == "content_filter" for choice in said["choices"]):
                        raise EngineRefused(self.name, "content_filter", "".join(draft.texts))
                    for token in draft.add(choices=said["choices"], usage=said.get("usage")):
                        yield token
            if draft.reason is None:
                raise EngineFailed(self.name, f"the stream broke off after {draft.pieces} pieces")
            yield names.read(draft.finish())

    async def info(self) -> CoreInfo:
        """The model, and how much it reads where the server says so; asked again once a minute."""
        if self._info is None or time.monotonic() - self._info[0] > _INFO_SECONDS:
            with translated(self.name, seconds=self._settings.token_seconds):
                listed = [model.to_dict() for model in (await self._client.models.list()).data]
            model = self._settings.model or (str(listed[0]["id"]) if listed else "")
            said: JsonObject = next((entry for entry in listed if entry.get("id") == model), {})
            self._info = (time.monotonic(), CoreInfo(model, self._context_tokens or _context(said), _NO_LIMIT))
        return self._info[1]

    async def healthy(self) -> bool:
        """Whether it would answer now: every such server lists its models."""
        try:
            async with asyncio.timeout(_HEALTH_SECONDS):
                with translated(self.name, seconds=_HEALTH_SECONDS):
                    await self._client.models.list()
        except (AiosError, TimeoutError):
            return False
        return True

    async def aclose(self) -> None:
        """Close its connections."""
        await self._connection.aclose()

    async def _chat(self, prompt: Prompt, model: str, names: spoken.Names) -> AsyncIterator[Any]:
        more: JsonObject = {}
        if prompt.tools:
            more["tools"] = spoken.tools(prompt.tools, names)
        if prompt.schema is not None:
            more["response_format"] = spoken.response_format(prompt.schema)
        body = {"model": model, "messages": spoken.messages(prompt.messages, names), **more, **self._sent(prompt)}
        return cast("AsyncIterator[Any]", await self._client.chat.completions.create(**body))

    async def _complete(self, prompt: Prompt, model: str) -> AsyncIterator[Any]:
        body = {"model": model, "prompt": prompt.text, **self._sent(prompt)}
        if prompt.schema is not None:
            body["extra_body"] |= {"response_format": spoken.response_format(prompt.schema)}
        return cast("AsyncIterator[Any]", await self._client.completions.create(**body))

    def _sent(self, prompt: Prompt) -> JsonObject:
        own, extra = spoken.parameters(prompt.sampling, default_tokens=self._settings.max_tokens)
        options: JsonObject = {"stream": True, "stream_options": {"include_usage": True}}
        return {**own, **options, "extra_headers": prompt.trace, "extra_body": extra}

    async def _unhurried(self, chunks: Any) -> AsyncGenerator[Any, None]:
        """The chunks; comments that keep a connection open are no sign of life of a generation."""
        try:
            while True:
                async with asyncio.timeout(self._settings.token_seconds):
                    chunk = await anext(chunks, None)
                if chunk is None:
                    return
                yield chunk
        finally:
            await chunks.close()


def _base(url: str) -> str:
    """The address of `/v1`: added where the URL has no path of its own."""
    trimmed = url.rstrip("/")
    return trimmed if urlsplit(trimmed).path else f"{trimmed}/v1"


def _context(said: JsonObject) -> int:
    """What a model's entry tells of its context: vLLM and SGLang in the entry, llama.cpp below `meta`."""
    for entry in (said, said.get("meta") or {}):
        for field in _CONTEXT_FIELDS:
            if entry.get(field):
                return int(entry[field])
    return _CONTEXT_TOKENS
