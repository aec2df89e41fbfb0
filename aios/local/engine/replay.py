"""Recorded answers, served as they were: a round trip shows what a client makes of real answers.

A recorded answer is an object as TGI sent it: an answer of `/generate`, a `chat.completion`, a `text_completion`, or a
list of chunks for a stream. A whole answer that is asked for as a stream is turned into one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from starlette.responses import JSONResponse, Response

from aios.local.engine import frames
from aios.local.engine.stream import EventStream

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Iterator

    from starlette.requests import Request

    from aios.local.engine.engine import Engine
    from aios.local.engine.exchange import Exchange

Json = dict[str, object]


def respond(engine: Engine, request: Request, *, stream: bool) -> Response:
    """The next recorded answer as the answer to a call.

    Raises:
        Refusal: too many calls are inside.
    """
    exchange = engine.door.open(route=request.scope["path"], headers=request.headers)
    recorded = engine.recorded.popleft()
    if stream:
        return EventStream(_played(recorded, exchange), exchange=exchange, headers={"x-compute-type": "replay"})
    exchange.finish()
    exchange.close()
    if isinstance(recorded, list):
        return JSONResponse({"error": "a recorded stream was asked for whole", "error_type": "replay"}, status_code=500)
    return JSONResponse([recorded] if request.scope["path"] == "/" else recorded)


async def _played(recorded: object, exchange: Exchange) -> AsyncGenerator[bytes, None]:
    for event in _events(recorded):
        yield event
    exchange.finish()


def _events(recorded: object) -> Iterator[bytes]:
    if isinstance(recorded, list):
        yield from (frames.event(chunk) for chunk in recorded)
        yield frames.DONE
        return
    answer = cast("Json", recorded)
    if "generated_text" in answer:
        yield from (frames.event(frame) for frame in _generate_frames(answer))
        return
    yield from (frames.event(chunk) for chunk in _chunks(answer))
    yield frames.DONE


def _generate_frames(answer: Json) -> Iterator[Json]:
    details = cast("Json", answer["details"])
    tokens = cast("list[Json]", details["tokens"])
    tops = cast("list[list[Json]]", details.get("top_tokens") or [])
    for index, token in enumerate(tokens, start=1):
        frame: Json = {"index": index, "token": token, "generated_text": None, "details": None}
        if tops:
            frame["top_tokens"] = tops[index - 1]
        if index == len(tokens):
            frame["generated_text"] = answer["generated_text"]
            frame["details"] = _stream_details(details)
        yield frame


def _stream_details(details: Json) -> Json:
    kept: Json = {name: details[name] for name in ("finish_reason", "generated_tokens", "seed")}
    return {**kept, "input_length": len(cast("list[object]", details["prefill"]))}


def _chunks(answer: Json) -> Iterable[Json]:
    """One chunk for the whole text, one with the usage."""
    choices = []
    for choice in cast("list[Json]", answer["choices"]):
        delta = {key: value for key, value in choice.items() if key != "message"}
        if "message" in choice:
            delta["delta"] = _delta(cast("Json", choice["message"]))
        choices.append(delta)
    kind = "chat.completion.chunk" if answer["object"] == "chat.completion" else answer["object"]
    yield {**answer, "object": kind, "choices": choices, "usage": None}
    yield {**answer, "object": kind, "choices": []}


def _delta(message: Json) -> Json:
    calls = cast("list[Json] | None", message.get("tool_calls"))
    if calls is None:
        return message
    return {**message, "tool_calls": [{"index": index, **call} for index, call in enumerate(calls)]}
