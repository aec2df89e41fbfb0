"""TGI's native routes: `/generate`, `/generate_stream` and the compatible `/`."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response

from aios.local.engine import frames
from aios.local.engine.engine import COMPUTE, refused
from aios.local.engine.generation import Generation
from aios.local.engine.refusal import Cut, Refusal
from aios.local.engine.stream import EventStream, Listening, Severed
from aios.local.engine.validation import refuse_for_stream, validate

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.requests import Request

    from aios.local.engine.bodies import CompatBody, GenerateBody
    from aios.local.engine.engine import Engine
    from aios.local.engine.exchange import Exchange


async def generate(engine: Engine, request: Request, body: GenerateBody, *, in_list: bool = False) -> Response:
    """`POST /generate`: the whole answer at once."""
    try:
        exchange = engine.door.open(route=request.url.path, headers=request.headers)
    except Refusal as refusal:
        return refused(refusal)
    try:
        async with Listening(request.receive):
            return await _answer(engine, exchange, body, in_list=in_list)
    except Refusal as refusal:
        exchange.fail(refusal)
        return refused(refusal)
    except Cut:
        return Severed()
    finally:
        exchange.close()
    return Response(status_code=499)  # nobody is there to read it


async def generate_stream(engine: Engine, request: Request, body: GenerateBody) -> Response:
    """`POST /generate_stream`: tokens as they come; an error, too, comes with status 200, as the last frame."""
    headers = {
        "x-compute-type": COMPUTE,
        "x-compute-characters": str(len(body.inputs)),
        "x-accel-buffering": "no",
    }
    exchange = None
    try:
        exchange = engine.door.open(route=request.url.path, headers=request.headers)
        generation = await _begin_stream(engine, exchange, body)
    except Refusal as refusal:
        if exchange is not None:
            exchange.fail(refusal)
        if refusal.at_http:
            _close(exchange)
            return refused(refusal)
        return EventStream(_one(frames.event(refusal.body())), exchange=exchange, headers=headers)
    except BaseException:
        _close(exchange)
        raise
    return EventStream(_tokens(exchange, generation, body), exchange=exchange, headers=headers)


async def compat(engine: Engine, request: Request, body: CompatBody) -> Response:
    """`POST /`: either of the two; the text includes the prompt unless told otherwise, and stands in a list."""
    if body.parameters.return_full_text is None:
        full = body.parameters.model_copy(update={"return_full_text": True})
        body = body.model_copy(update={"parameters": full})
    if body.stream:
        return await generate_stream(engine, request, body)
    return await generate(engine, request, body, in_list=True)


def _close(exchange: Exchange | None) -> None:
    if exchange is not None:
        exchange.close()


async def _one(frame: bytes) -> AsyncGenerator[bytes, None]:
    yield frame


async def _begin_stream(engine: Engine, exchange: Exchange, body: GenerateBody) -> Generation:
    refuse_for_stream(body.parameters)
    call = await validate(body.inputs, body.parameters, backend=engine.backend, limits=engine.limits)
    exchange.begin(call)
    generation = Generation(call=call, source=engine.backend.generate(call))
    exchange.generations.append(generation)
    return generation


def _prefix(generation: Generation, body: GenerateBody) -> str:
    return generation.call.prompt.text if body.parameters.return_full_text else ""


async def _tokens(exchange: Exchange, generation: Generation, body: GenerateBody) -> AsyncGenerator[bytes, None]:
    index = 0
    try:
        async with aclosing(generation.batches()) as batches:
            async for batch in batches:
                lines = []
                for token in batch:
                    index += 1
                    ended = ""
                    if generation.finish is not None and index == len(generation.tokens):
                        text = _prefix(generation, body) + generation.text
                        ended = frames.native_end(generation, text=text, details=body.parameters.details)
                        exchange.finish()
                    lines.append(frames.native(index=index, token=token, top_n=generation.call.top_n, ended=ended))
                yield "".join(lines).encode()
    except Refusal as refusal:
        exchange.fail(refusal)
        yield frames.event(refusal.body())


async def _answer(engine: Engine, exchange: Exchange, body: GenerateBody, *, in_list: bool) -> Response:
    call = await validate(body.inputs, body.parameters, backend=engine.backend, limits=engine.limits)
    exchange.begin(call)
    for number in range(body.parameters.best_of or 1):
        each = replace(call, sampling=replace(call.sampling, seed=(call.sampling.seed + number) % (1 << 64)))
        generation = Generation(call=each, source=engine.backend.generate(each))
        exchange.generations.append(generation)
        await generation.run()
    best = max(exchange.generations, key=lambda g: g.logprob)
    answer: dict[str, object] = {"generated_text": _prefix(best, body) + best.text}
    if body.parameters.details or body.parameters.decoder_input_details:
        answer["details"] = await _details(engine, exchange, best, body)
    exchange.finish()
    return JSONResponse([answer] if in_list else answer, headers=_headers(exchange, best, body))


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
