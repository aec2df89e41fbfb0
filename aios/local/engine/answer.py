"""The two ways to answer a call, the same for every dialect: whole, or as a stream.

Both admit the call, turn refusals into the dialect's errors, stop when the client leaves, and close the exchange.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response

from aios.local.engine.refusal import Cut, Refusal, severed
from aios.local.engine.stream import EventStream, Listening, Severed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping

    from starlette.requests import Request

    from aios.local.engine.engine import Engine
    from aios.local.engine.exchange import Exchange

    Begin = Callable[[Exchange], Awaitable[AsyncGenerator[bytes, None]]]

_GONE = 499  # nginx's number for a client that left; nobody reads it


def refused(refusal: Refusal) -> Response:
    """A refusal with its HTTP status."""
    return JSONResponse(refusal.body(), status_code=refusal.status, headers=refusal.headers)


async def whole(engine: Engine, request: Request, make: Callable[[Exchange], Awaitable[Response]]) -> Response:
    """The answer that `make` produces in an admitted exchange."""
    try:
        exchange = engine.door.open(route=request.scope["path"], headers=request.headers)
    except Refusal as refusal:
        return refused(refusal)
    try:
        async with Listening(request.receive):
            response = await make(exchange)
            exchange.finish()
            return response
    except Refusal as refusal:
        exchange.fail(refusal)
        return refused(refusal)
    except Cut:
        exchange.fail(severed())
        return Severed()
    finally:
        exchange.close()
    return Response(status_code=_GONE)


async def streamed(
    engine: Engine,
    request: Request,
    begin: Begin,
    *,
    headers: Mapping[str, str],
    error: Callable[[Refusal], bytes],
    end: bytes = b"",
) -> Response:
    """The stream that `begin` starts; what goes wrong is its last event but `end`, with status 200, as TGI does it."""
    exchange = None
    try:
        exchange = engine.door.open(route=request.scope["path"], headers=request.headers)
        events = await begin(exchange)
    except Refusal as refusal:
        if exchange is not None:
            exchange.fail(refusal)
        if not refusal.at_http:
            return EventStream(_once(error(refusal) + end), exchange=exchange, headers=headers)
        _close(exchange)
        return refused(refusal)
    except BaseException:  # a client that left, too: its slot is free
        _close(exchange)
        raise
    return EventStream(_guarded(events, exchange, error=error, end=end), exchange=exchange, headers=headers)


def _close(exchange: Exchange | None) -> None:
    if exchange is not None:
        exchange.close()


async def _once(event: bytes) -> AsyncGenerator[bytes, None]:
    yield event


async def _guarded(
    events: AsyncGenerator[bytes, None], exchange: Exchange, *, error: Callable[[Refusal], bytes], end: bytes
) -> AsyncGenerator[bytes, None]:
    try:
        async with aclosing(events):
            async for event in events:
                yield event
        exchange.finish()
    except Refusal as refusal:
        exchange.fail(refusal)
        yield error(refusal)
    if end:
        yield end
