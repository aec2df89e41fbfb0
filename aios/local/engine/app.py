"""The engine's routes as an ASGI application."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from aios.local.engine import description, native
from aios.local.engine.bodies import CompatBody, GenerateBody
from aios.local.engine.engine import Rejection, read

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from starlette.requests import Request

    from aios.local.engine.engine import Engine

BodyT = TypeVar("BodyT", bound=BaseModel)
Endpoint = "Callable[[Request], Awaitable[Response]]"


def application(engine: Engine) -> Starlette:
    """The application; its start loads the backend."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        del app
        await engine.backend.start()
        try:
            yield
        finally:
            await engine.backend.stop()

    return Starlette(routes=[*_posts(engine), *_gets(engine)], lifespan=lifespan)


def _posts(engine: Engine) -> list[Route]:
    return [
        _post(engine, "/generate_stream", GenerateBody, native.generate_stream),
        _post(engine, "/generate", GenerateBody, native.generate),
        _post(engine, "/", CompatBody, native.compat),
    ]


def _gets(engine: Engine) -> list[Route]:
    return [
        _get(engine, "/info", description.info),
        _get(engine, "/health", description.health),
        _get(engine, "/ping", description.health),
        _get(engine, "/", description.health),
        _get(engine, "/metrics", description.metrics),
        _get(engine, "/v1/models", description.models),
    ]


def _post(
    engine: Engine,
    path: str,
    kind: type[BodyT],
    answer: Callable[[Engine, Request, BodyT], Awaitable[Response]],
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
        return await answer(engine, request, body)

    return Route(path, endpoint, methods=["POST"])


def _get(engine: Engine, path: str, answer: Callable[[Engine], Response]) -> Route:
    async def endpoint(request: Request) -> Response:
        del request
        return answer(engine)

    return Route(path, endpoint, methods=["GET"])


def _authorized(engine: Engine, request: Request) -> bool:
    """Whether the key is right; TGI compares without regard to case."""
    given = request.headers.get("authorization", "")
    return given.lower() == f"bearer {engine.api_key}".lower()
