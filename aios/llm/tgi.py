"""The driver for TGI: generation through `huggingface_hub`'s AsyncInferenceClient, TGI's official Python client.

What the client lacks (`/chat_tokenize` for the exact prompt of a conversation, `/tokenize`, `/info`, `/health`) goes
through the same connection by plain HTTP.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, Literal, cast

import httpx2

from aios.errors import AiosError, EngineFailed, StateLost, UnknownModel, did_you_mean
from aios.kernel.ports import Boundary, CoreInfo, Finish, Token
from aios.kernel.values import canonical, digest
from aios.llm import parse
from aios.llm.connection import Connection, lend
from aios.llm.constrain import Constrained, constrain, plain, strict
from aios.llm.counted import Counted, Templated
from aios.llm.faults import translated
from aios.llm.hub import HubClient, frame_of
from aios.llm.sliced import DROP_ROUTE, ROUTE, Asked, Sliced, begin_anew, event_of, failure

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator

    from aios.kernel.chat import Sampling, ToolSpec
    from aios.kernel.ports import Prompt
    from aios.kernel.values import Json, JsonObject
    from aios.settings import LLMSettings

_INFO_SECONDS: Final = 60.0  # an engine may be restarted with another model
_HEALTH_SECONDS: Final = 2.0
_DRAIN_SECONDS: Final = 0.2
_MARGIN_TOKENS: Final = 4  # special tokens that the engine adds in front of a prompt


class TGIDriver:
    """Speaks to one TGI server.

    Attributes:
        name: the core's name, in errors and in the journal.
        resume: a generation that was cut off starts again at its first token: TGI takes text, not states. Of a server that
            has the local engine's extension `info` says otherwise.
    """

    resume: Literal["kv", "rerun", "none"] = "rerun"

    def __init__(
        self, *, url: str, settings: LLMSettings, name: str = "tgi", transport: httpx2.AsyncBaseTransport | None = None
    ) -> None:
        self.name = name
        self._url = url.rstrip("/")
        self._settings = settings
        self._key = {"authorization": f"Bearer {settings.api_key}"} if settings.api_key else {}
        with translated(name, seconds=settings.connect_seconds):
            self._connection = Connection(
                url=url,
                connect_seconds=settings.connect_seconds,
                token_seconds=settings.token_seconds,
                transport=transport,
            )
        self._info: tuple[float, CoreInfo] | None = None
        self._counted = Counted()

    async def generate(self, prompt: Prompt) -> AsyncGenerator[Token | Boundary | Finish, None]:
        """Tokens as they come, then one `Finish`."""
        way = self._way(prompt)
        with translated(self.name, seconds=self._settings.token_seconds):
            await self._check_model(prompt.model)
            async with aclosing(way) as tokens:
                async for token in tokens:
                    yield token

    async def info(self) -> CoreInfo:
        """What the server says of itself; asked again once a minute."""
        if self._info is None or time.monotonic() - self._info[0] > _INFO_SECONDS:
            with translated(self.name, seconds=self._settings.token_seconds):
                said = (await self._ask("GET", "/info")).json()
                info = CoreInfo(
                    model=str(said["model_id"]),
                    max_total_tokens=int(said["max_total_tokens"]),
                    max_input_tokens=int(said.get("max_input_tokens") or 0),
                    max_concurrent=int(said["max_concurrent_requests"]),
                    resume="kv" if (said.get("aios") or {}).get("resume") == "kv" else "rerun",
                )
            self._info = (time.monotonic(), info)
        return self._info[1]

    async def count(self, prompt: Prompt) -> int:
        """Tokens of what the server is sent for this prompt, as it counts them itself."""
        with translated(self.name, seconds=self._settings.token_seconds):
            if prompt.text is not None:
                return await self._length(prompt.text)
            if not prompt.tools:
                return (await self._templated(prompt, plain(prompt.messages))).tokens
            if self._settings.tools == "native":
                tools = [_tool(spec) for spec in prompt.tools]
                return (await self._templated(prompt, list(prompt.messages), tools=tools)).tokens
            asked = constrain(messages=prompt.messages, tools=prompt.tools, schema=prompt.schema)
            return await self._length(asked.text)

    async def healthy(self) -> bool:
        """Whether it would answer now."""
        try:
            async with asyncio.timeout(_HEALTH_SECONDS):
                with translated(self.name, seconds=_HEALTH_SECONDS):
                    await self._ask("GET", "/health")
        except (AiosError, TimeoutError):
            return False
        return True

    async def aclose(self) -> None:
        """Close its connections."""
        await self._connection.aclose()

    # --- the three ways to ask ------------------------------------------------------------------------------------------

    def _way(self, prompt: Prompt) -> AsyncGenerator[Token | Boundary | Finish, None]:
        if prompt.text is not None:
            return self._complete(prompt, prompt.text, schema=prompt.schema)
        if not prompt.tools:
            return self._chat(prompt, plain(prompt.messages))
        if self._settings.tools == "native":
            return self._native(prompt)
        asked = constrain(messages=prompt.messages, tools=prompt.tools, schema=prompt.schema)
        return self._complete(prompt, asked.text, schema=asked.schema, constrained=asked)

    async def _chat(
        self, prompt: Prompt, messages: list[JsonObject]
    ) -> AsyncGenerator[Token | Boundary | Finish, None]:
        """A conversation, through the server's own template; so tokens come with their ids."""
        said = await self._templated(prompt, messages)
        async with aclosing(self._complete(prompt, said.text, schema=prompt.schema, length=said.tokens)) as tokens:
            async for token in tokens:
                yield token

    async def _templated(
        self, prompt: Prompt, messages: list[JsonObject], *, tools: list[JsonObject] | None = None
    ) -> Templated:
        """A conversation as the server's template makes it, and its length; the same one is asked for once only."""
        body: JsonObject = {"messages": messages, **({"tools": tools, "tool_choice": "auto"} if tools else {})}
        key = digest(canonical(body), (await self.info()).model.encode())
        known = self._counted.get(key)
        if known is None:
            said = (await self._ask("POST", "/chat_tokenize", json=body, headers=prompt.trace)).json()
            known = Templated(said["templated_text"], len(said["tokenize_response"]))
            self._counted.put(key, known)
        return known

    async def _length(self, text: str) -> int:
        """Tokens of a text, with what the engine puts in front of it."""
        key = digest(text.encode(), (await self.info()).model.encode())
        known = self._counted.get(key)
        if known is None:
            listed = (await self._ask("POST", "/tokenize", json={"inputs": text})).json()
            known = Templated("", len(listed) + _MARGIN_TOKENS)
            self._counted.put(key, known)
        return known.tokens

    async def _complete(
        self,
        prompt: Prompt,
        text: str,
        *,
        schema: JsonObject | None,
        constrained: Constrained | None = None,
        length: int | None = None,
    ) -> AsyncGenerator[Token | Boundary | Finish, None]:
        parameters = sampled(prompt.sampling)
        limit = parameters["max_new_tokens"] = prompt.sampling.max_tokens or await self._room(text, length)
        if prompt.slicing is not None and schema is None and (await self.info()).resume == "kv":
            async with aclosing(self._sliced(prompt, text, parameters, limit)) as items:
                async for item in items:
                    yield item
            return
        begin_anew(prompt, core=self.name)
        if schema is not None:
            parameters["grammar"] = {"type": "json", "value": strict(schema)}
        tokens: list[Token] = []
        finish = None
        async with self._hub(prompt) as hub:
            lines = await hub.stream(f"{self._url}/generate_stream", text, parameters)
            async for line in lines:
                frame = frame_of(line)
                if frame is None:
                    continue
                tokens.append(parse.token(frame))
                yield tokens[-1]
                finish = parse.finish(frame, tokens)
                if finish is not None:
                    await _drain(lines)
                    break
        if finish is not None:
            yield constrained.read(finish) if constrained else finish
            return
        raise EngineFailed(self.name, f"the stream broke off after {len(tokens)} tokens")

    def _sliced(
        self, prompt: Prompt, text: str, parameters: JsonObject, limit: int
    ) -> AsyncGenerator[Token | Boundary | Finish, None]:
        """The same in slices, by the local engine's extension."""
        assert prompt.slicing is not None
        chosen = {name: value for name, value in parameters.items() if name not in ("stop", "seed", "max_new_tokens")}
        asked = Asked(
            core=self.name,
            send=lambda body: self._slice(prompt, body),
            text=text,
            parameters=chosen,
            limit=limit,
            stops=prompt.sampling.stop,
            slicing=prompt.slicing,
        )
        return Sliced(asked).run()

    async def _slice(self, prompt: Prompt, body: JsonObject) -> AsyncGenerator[JsonObject, None]:
        lend(self._connection, valid=prompt.valid)
        headers = {**self._key, **prompt.trace}
        async with self._connection.stream("POST", self._url + ROUTE, json=body, headers=headers) as response:
            if response.status_code == httpx2.codes.NOT_FOUND:  # another server than the one that said it keeps states
                self._info = None
                raise StateLost(self.name, "it keeps no states any more")
            if response.status_code == httpx2.codes.CONFLICT:
                self._info = None
                raise failure(self.name, response.json())
            response.raise_for_status()
            async for line in response.aiter_lines():
                event = event_of(line)
                if event is not None:
                    yield event

    async def forget(self, state: JsonObject) -> None:
        """Have the server delete a state that nobody will go on from; if it cannot, the state ends by its age."""
        with suppress(AiosError), translated(self.name, seconds=_HEALTH_SECONDS):
            await self._ask("POST", DROP_ROUTE, json={"states": [state["id"]]})

    async def _native(self, prompt: Prompt) -> AsyncGenerator[Token | Boundary | Finish, None]:
        """A conversation with tools by the server's own route; its tokens have no ids."""
        draft = parse.ChatDraft()
        async with self._hub(prompt) as hub:
            chunks = await hub.chat_completion(
                messages=list(prompt.messages),
                model=prompt.model or "tgi",
                tools=[_tool(spec) for spec in prompt.tools],
                tool_choice=cast("Any", "auto"),
                stream=True,
                stream_options=cast("Any", {"include_usage": True}),
                response_format=cast(
                    "Any", {"type": "json", "value": strict(prompt.schema)} if prompt.schema else None
                ),
                **native_sampling(prompt.sampling, default_tokens=self._settings.max_tokens),
            )
            async for chunk in chunks:
                for token in draft.add(choices=chunk.choices, usage=chunk.usage):
                    yield token
        yield draft.finish()

    # --- HTTP -------------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _hub(self, prompt: Prompt) -> AsyncIterator[HubClient]:
        """A client for one call; leaving it closes the call's stream, and with it the generation.

        The token is a stand-in: without one the hub's client reads the user's own from disk and sends it to the engine.
        """
        headers = {"authorization": None, **self._key, **prompt.trace}
        client = HubClient(
            base_url=self._url,
            token="unused",  # noqa: S106  # no secret
            headers=cast("dict[str, str]", headers),
            timeout=self._settings.token_seconds,
        )
        lend(self._connection, valid=prompt.valid)
        try:
            yield client
        finally:
            await client.close()  # type: ignore[no-untyped-call]  # the hub's method has no annotations

    async def _ask(
        self, method: str, path: str, *, json: Json = None, headers: dict[str, str] | None = None
    ) -> httpx2.Response:
        response = await self._connection.request(
            method, self._url + path, json=json, headers={**self._key, **(headers or {})}
        )
        return response.raise_for_status()

    async def _check_model(self, model: str) -> None:
        """One core serves one model; another one's name is a mistake, found before a slot is spent on it."""
        if not model or model in ("tgi", self.name, self._settings.model):
            return
        own = (await self.info()).model
        if model != own:
            raise UnknownModel(model, did_you_mean(model, [own]) or [own])

    async def _room(self, text: str, length: int | None) -> int:
        """New tokens of a request that says nothing of them: the default, or what the context has left for them."""
        wanted, context = self._settings.max_tokens, (await self.info()).max_total_tokens
        if length is None and len(text.encode()) + wanted + _MARGIN_TOKENS <= context:  # a token has at least one byte
            return wanted
        if length is None:
            length = await self._length(text) - _MARGIN_TOKENS
        return max(1, min(wanted, context - length - _MARGIN_TOKENS))


def sampled(sampling: Sampling) -> JsonObject:
    """The native route's parameters. Temperature 0 or none is greedy; TGI's bound of `top_p` leaves 1 itself out."""
    greedy = sampling.temperature == 0
    top_p = None if greedy or sampling.top_p == 1 else sampling.top_p
    chosen: JsonObject = {
        "temperature": sampling.temperature or None,
        "top_p": top_p,
        "top_k": None if greedy else sampling.top_k,
        "repetition_penalty": sampling.repetition_penalty,
        "seed": sampling.seed,
        "stop": list(sampling.stop) or None,
    }
    chosen["do_sample"] = any(chosen[name] is not None for name in ("temperature", "top_p", "top_k"))
    return {name: value for name, value in chosen.items() if value is not None}


def native_sampling(sampling: Sampling, *, default_tokens: int) -> JsonObject:
    """The chat route's parameters; it has no `top_k` and no `repetition_penalty`."""
    chosen: JsonObject = {
        "max_tokens": sampling.max_tokens or default_tokens,
        "temperature": sampling.temperature,
        "top_p": None if sampling.top_p == 1 else sampling.top_p,
        "seed": sampling.seed,
        "stop": list(sampling.stop) or None,
    }
    return {name: value for name, value in chosen.items() if value is not None}


def _tool(spec: ToolSpec) -> Any:
    """A tool in OpenAI's shape; the hub takes it as it is."""
    return {"type": "function", "function": spec.to_json()}


async def _drain(frames: AsyncIterable[object]) -> None:
    """Read a stream to its end, which follows its last frame, so that its connection can serve the next call."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            async for _ in frames:
                pass
