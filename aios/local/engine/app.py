"""The engine's routes as an ASGI application."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from aios.errors import Misconfigured
from aios.local.engine import answer, chat, completions, control, description, native, replay, slicing, tokens
from aios.local.engine.bodies import (
    ChatBody,
    CompatBody,
    CompletionBody,
    DropBody,
    GenerateBody,
    SliceBody,
    TokenizeBody,
)
from aios.local.engine.engine import Rejection, read
from aios.local.engine.refusal import Refusal
from aios.local.engine.script import Script
from aios.local.engine.scripted import Scripted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from starlette.requests import Request

    from aios.local.engine.engine import Engine

_log = logging.getLogger(__name__)
BodyT = TypeVar("BodyT", bound=BaseModel)


def application(engine: Engine) -> Starlette:
    """The application; its start loads the backend."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        del app
        try:
            await engine.backend.start()
        except Misconfigured as error:
            engine.unstarted = error
            raise
        except Exception:
            _log.exception("the engine's backend does not start")
            raise
        try:
            yield
        finally:
            await engine.backend.stop()

    routes = [*_generations(engine), *_descriptions(engine), *_control(engine)]
    return Starlette(routes=routes, lifespan=lifespan)


def _generations(engine: Engine) -> list[Route]:
    return [
        _post(engine, "/generate_stream", GenerateBody, _replayed(native.generate_stream)),
        _post(engine, "/generate", GenerateBody, _replayed(native.generate)),
        _post(engine, "/v1/chat/completions", ChatBody, _replayed(chat.chat)),
        _post(engine, "/v1/completions", CompletionBody, _replayed(completions.completions)),
        _post(engine, "/", CompatBody, _replayed(native.compat)),
        _post(engine, "/aios/slice", SliceBody, slicing.generate_slice),
        _post(engine, "/aios/states/drop", DropBody, slicing.drop),
    ]


def _descriptions(engine: Engine) -> list[Route]:
    return [
        _post(engine, "/tokenize", TokenizeBody, tokens.tokenize),
        _post(engine, "/chat_tokenize", ChatBody, tokens.chat_tokenize, guarded=False),
        _get(engine, "/info", description.info),
        _get(engine, "/health", description.health),
        _get(engine, "/ping", description.health),
        _get(engine, "/", description.health),
        _get(engine, "/metrics", description.metrics),
        _get(engine, "/v1/models", description.models),
    ]


def _control(engine: Engine) -> list[Route]:
    """How a scripted engine is told what to do; no other engine has this."""
    backend = engine.backend
    if not isinstance(backend, Scripted):
        return []

    async def load(engine: Engine, request: Request, script: Script) -> Response:
        del request
        return control.load(engine, backend, script)

    return [
        _post(engine, "/script", Script, load),
        _get(engine, "/script", lambda engine: control.state(engine, backend)),
    ]


def _post(
    engine: Engine,
    path: str,
    kind: type[BodyT],
    respond: Callable[[Engine, Request, BodyT], Awaitable[Response]],
    *,
    guarded: bool = True,
) -> Route:
    async def endpoint(request: Request) -> Response:
        if guarded and engine.api_key and not _authorized(engine, request):
            return Response(status_code=401)
        try:
            body = await read(request, kind, limit_bytes=engine.payload_limit_bytes)
        except Rejection as rejection:
            return rejection.response()
        return await respond(engine, request, body)

    return Route(path, endpoint, methods=["POST"])


def _get(engine: Engine, path: str, respond: Callable[[Engine], Response]) -> Route:
    async def endpoint(request: Request) -> Response:
        del request
        return respond(engine)

    return Route(path, endpoint, methods=["GET"])


def _replayed(
    respond: Callable[[Engine, Request, BodyT], Awaitable[Response]],
) -> Callable[[Engine, Request, BodyT], Awaitable[Response]]:
    """Recorded answers, while there are any, go before the backend's."""

    async def recorded_first(engine: Engine, request: Request, body: BodyT) -> Response:
        if not engine.recorded:
            return await respond(engine, request, body)
        stream = request.scope["path"] == "/generate_stream" or bool(getattr(body, "stream", False))
        try:
            return replay.respond(engine, request, stream=stream)
        except Refusal as refusal:
            return answer.refused(refusal)

    return recorded_first


def _authorized(engine: Engine, request: Request) -> bool:
    """Whether the key is right; TGI compares without regard to case."""
    given = request.headers.get("authorization", "")
    return given.lower() == f"bearer {engine.api_key}".lower()
