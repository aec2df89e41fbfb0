"""`/v1/completions`: one prompt or several, whole or as a stream."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response

from aios.local.engine import answer, frames, openai_shapes
from aios.local.engine.bodies import Parameters
from aios.local.engine.engine import COMPUTE
from aios.local.engine.refusal import Cut, Refusal
from aios.local.engine.validation import validate

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.requests import Request

    from aios.local.engine.bodies import CompletionBody
    from aios.local.engine.call import Token
    from aios.local.engine.engine import Engine
    from aios.local.engine.exchange import Exchange
    from aios.local.engine.generation import Generation

_KIND = "text_completion"


async def completions(engine: Engine, request: Request, body: CompletionBody) -> Response:
    """`POST /v1/completions`."""
    prompts = [body.prompt] if isinstance(body.prompt, str) else body.prompt
    problem = _problem(engine, body, prompts)
    if problem is not None:
        return answer.refused(problem)
    batch = _Batch(engine, body, prompts)
    if not body.stream:
        return await answer.whole(engine, request, batch.whole)
    headers = {"x-compute-type": COMPUTE, "x-accel-buffering": "no"}
    return await answer.streamed(
        engine, request, batch.stream, headers=headers, error=openai_shapes.stream_error, end=frames.DONE
    )


def _problem(engine: Engine, body: CompletionBody, prompts: list[str]) -> Refusal | None:
    limit = engine.limits.max_client_batch_size
    if body.suffix is not None:
        text = "Suffix is not supported and can be achieved by preprocessing the prompt."
        return Refusal("suffix not supported", text, status=422)
    if len(prompts) > limit:
        text = f"Number of prompts exceeds the maximum allowed batch size of {limit}"
        return Refusal("batch size exceeded", text, status=422)
    return None


class _Batch:
    """The prompts of one request, generated side by side."""

    def __init__(self, engine: Engine, body: CompletionBody, prompts: list[str]) -> None:
        self._engine = engine
        self._body = body
        self._prompts = prompts

    async def whole(self, exchange: Exchange) -> Response:
        """All answers at once."""
        generations = await self._start(exchange)
        async with aclosing(self._chunks(generations)) as chunks:
            async for _ in chunks:
                pass
        choices = [
            {"index": index, "text": g.text, "logprobs": None, "finish_reason": openai_shapes.finish(g)}
            for index, g in enumerate(generations)
        ]
        whole = {**self._head(), "choices": choices, "usage": openai_shapes.usage(generations)}
        return JSONResponse(whole, headers={"x-compute-type": COMPUTE})

    async def stream(self, exchange: Exchange) -> AsyncGenerator[bytes, None]:
        """The answers' chunks, as they come."""
        return self._chunks(await self._start(exchange))

    async def _start(self, exchange: Exchange) -> list[Generation]:
        body, engine = self._body, self._engine
        greedy = body.temperature == 0
        parameters = Parameters(
            do_sample=not greedy,
            temperature=None if greedy else body.temperature,
            top_p=body.top_p,
            seed=body.seed,
            stop=[body.stop] if isinstance(body.stop, str) else body.stop or [],
            frequency_penalty=body.frequency_penalty,
            repetition_penalty=body.repetition_penalty,
            max_new_tokens=body.max_tokens,
        )
        calls = [
            await validate(prompt, parameters, backend=engine.backend, limits=engine.limits) for prompt in self._prompts
        ]
        return [exchange.generate(call, backend=engine.backend) for call in calls]

    async def _chunks(self, generations: list[Generation]) -> AsyncGenerator[bytes, None]:
        ready: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()
        pumps = [asyncio.create_task(self._pump(index, g, ready)) for index, g in enumerate(generations)]
        try:
            for _ in pumps:
                while (item := await ready.get()) is not None:
                    if isinstance(item, Exception):
                        raise item
                    yield item
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
        if self._body.stream_options is not None and self._body.stream_options.include_usage:
            yield frames.event({**self._head(), "choices": [], "usage": openai_shapes.usage(generations)})

    async def _pump(self, index: int, generation: Generation, ready: asyncio.Queue[bytes | Exception | None]) -> None:
        try:
            async with aclosing(generation.batches()) as batches:
                async for batch in batches:
                    ready.put_nowait(b"".join(self._chunk(index, token, generation) for token in batch))
        except (Refusal, Cut) as ended:
            ready.put_nowait(ended)
        ready.put_nowait(None)

    def _chunk(self, index: int, token: Token, generation: Generation) -> bytes:
        last = generation.finish is not None and token is generation.tokens[-1]
        choice = {
            "index": index,
            "text": "" if token.special else token.text,
            "logprobs": None,
            "finish_reason": openai_shapes.finish(generation) if last else "",
        }
        return frames.event({**self._head(), "choices": [choice]})

    def _head(self) -> dict[str, object]:
        return openai_shapes.head(_KIND, model=self._engine.backend.model.id)
