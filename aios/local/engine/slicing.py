"""`/aios/slice`: what TGI lacks. A generation in slices, each of them a request of its own that can be gone on from exactly.

A slice names the tokens before it and the state in which they were evaluated. It begins and ends with a frame that TGI does
not have: `{"begin": {...}}` with the length of the prompt, `{"slice": {...}}` with why it ended and with the state that the
next slice goes on from.
"""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse

from aios.local.engine import answer, frames
from aios.local.engine.call import Part
from aios.local.engine.llama_wire import UNKNOWN
from aios.local.engine.refusal import invalid
from aios.local.engine.states import StateRef, lost
from aios.local.engine.validation import validate

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.requests import Request
    from starlette.responses import Response

    from aios.local.engine.bodies import DropBody, SliceBody
    from aios.local.engine.call import Call
    from aios.local.engine.engine import Engine
    from aios.local.engine.exchange import Exchange
    from aios.local.engine.generation import Generation
    from aios.local.engine.refusal import Refusal


async def generate_slice(engine: Engine, request: Request, body: SliceBody) -> Response:
    """`POST /aios/slice`: one slice's tokens as they come."""

    async def begin(exchange: Exchange) -> AsyncGenerator[bytes, None]:
        call = await _call(engine, body)
        return _frames(exchange.generate(call, backend=engine.backend), before=len(body.generated))

    def error(refusal: Refusal) -> bytes:
        return frames.event(refusal.body())

    return await answer.streamed(engine, request, begin, headers={"x-accel-buffering": "no"}, error=error)


async def drop(engine: Engine, request: Request, body: DropBody) -> Response:
    """`POST /aios/states/drop`: delete states that nobody will go on from."""
    del request
    if engine.backend.states is not None:
        engine.backend.states.drop(body.states)
    return JSONResponse({})


async def _call(engine: Engine, body: SliceBody) -> Call:
    if engine.backend.states is None:
        raise lost("this engine keeps no states: start it with --data-dir")
    if body.parameters.grammar is not None or body.parameters.stop:
        raise invalid("a slice has neither grammar nor `stop`")
    call = await validate(body.inputs, body.parameters, backend=engine.backend, limits=engine.limits)
    used = call.prompt.tokens + max(body.limit, len(body.generated) + call.max_new_tokens)
    if used > engine.limits.max_total_tokens:
        raise invalid(f"prompt and answer must have <= {engine.limits.max_total_tokens} tokens. Given: {used}")
    state = None if body.state is None else StateRef(body.state.id, body.state.digest)
    if state is not None:
        engine.backend.states.find(state)
    engine.backend.states.drop(body.drop)
    return replace(call, part=Part(generated=tuple(body.generated), state=state, keep=body.keep))


async def _frames(generation: Generation, *, before: int) -> AsyncGenerator[bytes, None]:
    index = before
    begin = frames.event({"begin": {"input_length": generation.call.prompt.tokens}})
    async with aclosing(generation.batches()) as batches:
        async for batch in batches:
            lines, begin = [begin], b""
            for token in batch:
                if token.id == UNKNOWN:  # its id comes with the end
                    continue
                index += 1
                lines.append(frames.native(index=index, token=token, top_n=0).encode())
            yield b"".join(lines)
    yield frames.event({"slice": _end(generation)})


def _end(generation: Generation) -> dict[str, object]:
    part = generation.call.part
    assert part is not None
    return {
        "finish_reason": generation.finish,
        "ids": list(part.ids if part.ids is not None else _told(generation)),
        "state": part.saved and part.saved._asdict(),
        "restored": part.restored,
        "restore_seconds": part.restore_seconds,
    }


def _told(generation: Generation) -> list[int]:
    return [token.id for token in generation.tokens if token.id != UNKNOWN]
