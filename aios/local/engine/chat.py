"""`/v1/chat/completions`: conversations, tools and response formats, whole or as a stream."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response

from aios.local.engine import answer, frames, openai_shapes, tools
from aios.local.engine.chat_prompt import prepare
from aios.local.engine.engine import COMPUTE
from aios.local.engine.refusal import Refusal
from aios.local.engine.validation import validate

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.requests import Request

    from aios.local.engine.bodies import ChatBody, Parameters
    from aios.local.engine.call import Token
    from aios.local.engine.chat_prompt import Prepared
    from aios.local.engine.engine import Engine
    from aios.local.engine.exchange import Exchange
    from aios.local.engine.generation import Generation


async def chat(engine: Engine, request: Request, body: ChatBody) -> Response:
    """`POST /v1/chat/completions`. What is wrong with tools or template has its real status, even for a stream."""
    try:
        turn = _Turn(engine, body, await prepare(body, backend=engine.backend))
    except Refusal as refusal:
        return answer.refused(refusal)
    if not body.stream:
        return await answer.whole(engine, request, turn.whole)
    headers = {"x-compute-type": COMPUTE, "x-accel-buffering": "no"}
    return await answer.streamed(
        engine, request, turn.stream, headers=headers, error=openai_shapes.stream_error, end=frames.DONE
    )


class _Turn:
    """One turn of the assistant: one generation, or two when the model chooses no tool."""

    def __init__(self, engine: Engine, body: ChatBody, prepared: Prepared) -> None:
        self._engine = engine
        self._body = body
        self._prepared = prepared

    async def whole(self, exchange: Exchange) -> Response:
        """The answer at once."""
        generation = await (await self._first(exchange)).run()
        call = None
        if self._prepared.with_tools:
            call = tools.spoken(generation.text)
            if call is None:
                generation = await (await self._second(exchange)).run()
        message: dict[str, object] = {"role": "assistant"}
        if call is None:
            message["content"] = generation.text
        else:
            message["tool_calls"] = [openai_shapes.tool_call(call)]
        return JSONResponse(self._completion(message, generation), headers={"x-compute-type": COMPUTE})

    async def stream(self, exchange: Exchange) -> AsyncGenerator[bytes, None]:
        """The answer as chunks."""
        return self._chunks(exchange, await self._first(exchange))

    async def _first(self, exchange: Exchange) -> Generation:
        return await self._start(exchange, self._prepared.prompt, self._prepared.parameters)

    async def _second(self, exchange: Exchange) -> Generation:
        free = self._prepared.parameters.model_copy(update={"grammar": None})
        return await self._start(exchange, self._prepared.plain, free)

    async def _start(self, exchange: Exchange, prompt: str, parameters: Parameters) -> Generation:
        engine = self._engine
        call = await validate(prompt, parameters, backend=engine.backend, limits=engine.limits, add_special=False)
        return exchange.generate(call, backend=engine.backend)

    async def _chunks(self, exchange: Exchange, generation: Generation) -> AsyncGenerator[bytes, None]:
        if self._prepared.with_tools:
            deltas = tools.Deltas()
            async with aclosing(generation.batches()) as batches:
                async for batch in batches:
                    yield b"".join(self._call_chunk(token, generation, deltas) for token in batch)
                    if deltas.name == tools.NO_TOOL:
                        break
            if deltas.name == tools.NO_TOOL:
                generation = await self._second(exchange)
        if generation.finish is None:
            async with aclosing(generation.batches()) as batches:
                async for batch in batches:
                    yield b"".join(self._text_chunk(token, generation) for token in batch)
        if self._body.stream_options is not None and self._body.stream_options.include_usage:
            yield self._chunk([], usage=openai_shapes.usage([generation]))

    def _text_chunk(self, token: Token, generation: Generation) -> bytes:
        text = "" if token.special else token.text
        return self._choice_chunk({"role": "assistant", "content": text}, token, generation)

    def _call_chunk(self, token: Token, generation: Generation, deltas: tools.Deltas) -> bytes:
        """A piece of a tool call; the call's end, which has no text, is an empty piece of text."""
        begun = deltas.name is not None
        said = deltas.push("" if token.special else token.text)
        if deltas.name == tools.NO_TOOL:
            return b""
        if said is not None:
            function = {"name": None if begun else deltas.name, "arguments": said}
            calls = [{"index": 0, "id": "0", "type": "function", "function": function}]
            return self._choice_chunk({"role": "assistant", "tool_calls": calls}, token, generation)
        if token is generation.tokens[-1] and generation.finish is not None:
            return self._choice_chunk({"role": "assistant", "content": ""}, token, generation)
        return b""

    def _choice_chunk(self, delta: dict[str, object], token: Token, generation: Generation) -> bytes:
        last = generation.finish is not None and token is generation.tokens[-1]
        choice = {
            "index": 0,
            "delta": delta,
            "logprobs": openai_shapes.logprobs([token]) if self._body.logprobs else None,
            "finish_reason": openai_shapes.finish(generation) if last else None,
        }
        return self._chunk([choice], usage=None)

    def _chunk(self, choices: list[object], *, usage: dict[str, object] | None) -> bytes:
        head = openai_shapes.head("chat.completion.chunk", model=self._engine.backend.model.id)
        return frames.event({**head, "choices": choices, "usage": usage})

    def _completion(self, message: dict[str, object], generation: Generation) -> dict[str, object]:
        choice = {
            "index": 0,
            "message": message,
            "logprobs": openai_shapes.logprobs(generation.tokens) if self._body.logprobs else None,
            "finish_reason": openai_shapes.finish(generation),
        }
        head = openai_shapes.head("chat.completion", model=self._engine.backend.model.id)
        return {**head, "choices": [choice], "usage": openai_shapes.usage([generation])}
