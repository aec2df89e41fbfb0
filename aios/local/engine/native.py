"""TGI's native routes: `/generate`, `/generate_stream` and the compatible `/`."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse

from aios.local.engine import answer, frames
from aios.local.engine.engine import COMPUTE
from aios.local.engine.validation import refuse_for_stream, validate

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.requests import Request
    from starlette.responses import Response

    from aios.local.engine.bodies import CompatBody, GenerateBody
    from aios.local.engine.engine import Engine
    from aios.local.engine.exchange import Exchange
    from aios.local.engine.generation import Generation


async def generate(engine: Engine, request: Request, body: GenerateBody) -> Response:
    """`POST /generate`: the whole answer at once."""
    return await answer.whole(engine, request, lambda exchange: _whole(engine, exchange, body, in_list=False))


async def generate_stream(engine: Engine, request: Request, body: GenerateBody) -> Response:
    """`POST /generate_stream`: tokens as they come."""
    headers = {
        "x-compute-type": COMPUTE,
        "x-compute-characters": str(len(body.inputs)),
        "x-accel-buffering": "no",
    }

    async def begin(exchange: Exchange) -> AsyncGenerator[bytes, None]:
        refuse_for_stream(body.parameters)
        call = await validate(body.inputs, body.parameters, backend=engine.backend, limits=engine.limits)
        return _frames(exchange.generate(call, backend=engine.backend), body)

    return await answer.streamed(
        engine, request, begin, headers=headers, error=lambda refusal: frames.event(refusal.body())
    )


async def compat(engine: Engine, request: Request, body: CompatBody) -> Response:
    """`POST /`: either of the two; the text includes the prompt unless told otherwise, and stands in a list."""
    if body.parameters.return_full_text is None:
        full = body.parameters.model_copy(update={"return_full_text": True})
        body = body.model_copy(update={"parameters": full})
    if body.stream:
        return await generate_stream(engine, request, body)
    return await answer.whole(engine, request, lambda exchange: _whole(engine, exchange, body, in_list=True))


def _prefix(generation: Generation, body: GenerateBody) -> str:
    return generation.call.prompt.text if body.parameters.return_full_text else ""


async def _frames(generation: Generation, body: GenerateBody) -> AsyncGenerator[bytes, None]:
    index = 0
    async with aclosing(generation.batches()) as batches:
        async for batch in batches:
            lines = []
            for token in batch:
                index += 1
                ended = ""
                if generation.finish is not None and index == len(generation.tokens):
                    text = _prefix(generation, body) + generation.text
                    ended = frames.native_end(generation, text=text, details=body.parameters.details)
                lines.append(frames.native(index=index, token=token, top_n=generation.call.top_n, ended=ended))
            yield "".join(lines).encode()


async def _whole(engine: Engine, exchange: Exchange, body: GenerateBody, *, in_list: bool) -> Response:
    call = await validate(body.inputs, body.parameters, backend=engine.backend, limits=engine.limits)
    for number in range(body.parameters.best_of or 1):
        each = replace(call, sampling=replace(call.sampling, seed=(call.sampling.seed + number) % (1 << 64)))
        await exchange.generate(each, backend=engine.backend).run()
    best = max(exchange.generations, key=lambda g: g.logprob)
    said: dict[str, object] = {"generated_text": _prefix(best, body) + best.text}
    if body.parameters.details or body.parameters.decoder_input_details:
        said["details"] = await _details(engine, exchange, best, body)
    return JSONResponse([said] if in_list else said, headers=_headers(exchange, best, body))


async def _details(engine: Engine, exchange: Exchange, best: Generation, body: GenerateBody) -> dict[str, object]:
    prefill: list[object] = []
    if body.parameters.decoder_input_details:
        pieces = await engine.backend.tokenize(best.call.prompt.text)
        prefill = [{"id": p.id, "text": p.text, "logprob": None} for p in pieces]
    details = {"prefill": prefill, **_sequence(best)}
    others = [g for g in exchange.generations if g is not best]
    if others:
        details["best_of_sequences"] = [
            {"generated_text": _prefix(g, body) + g.text, "prefill": prefill, **_sequence(g)} for g in others
        ]
    return details


def _sequence(generation: Generation) -> dict[str, object]:
    sequence: dict[str, object] = {
        "finish_reason": generation.finish,
        "generated_tokens": len(generation.tokens),
        "seed": generation.seed,
        "tokens": [frames.token_json(token) for token in generation.tokens],
    }
    if generation.call.top_n:
        sequence["top_tokens"] = [[frames.token_json(t) for t in token.top or (token,)] for token in generation.tokens]
    return sequence


def _headers(exchange: Exchange, best: Generation, body: GenerateBody) -> dict[str, str]:
    """TGI's accounting: milliseconds, but for `x-compute-time`."""
    times = exchange.times()
    return {
        "x-compute-type": COMPUTE,
        "x-compute-time": f"{times['total']:.6f}",
        "x-compute-characters": str(len(body.inputs)),
        "x-total-time": str(round(times["total"] * 1000)),
        "x-validation-time": str(round(times["validation"] * 1000)),
        "x-queue-time": str(round(times["queue"] * 1000)),
        "x-inference-time": str(round(times["inference"] * 1000)),
        "x-time-per-token": str(round(times["per_token"] * 1000)),
        "x-prompt-tokens": str(best.call.prompt.tokens),
        "x-generated-tokens": str(len(best.tokens)),
    }
