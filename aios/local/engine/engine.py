"""What every route of the engine works on."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.responses import PlainTextResponse, Response

from aios.local.engine.exchange import Door
from aios.local.engine.validation import Limits

if TYPE_CHECKING:
    from starlette.requests import Request

    from aios.errors import Misconfigured
    from aios.local.engine.backend import Backend
    from aios.local.engine.call_log import CallLog
    from aios.local.engine.metrics import Metrics

BodyT = TypeVar("BodyT", bound=BaseModel)
COMPUTE = "cpu"


class Rejection(Exception):
    """A request that is refused before TGI's own checks, in plain text, as its web framework does."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status

    def response(self) -> Response:
        """The answer."""
        return PlainTextResponse(str(self), status_code=self.status)


class Engine:
    """The router's parts."""

    def __init__(
        self,
        *,
        backend: Backend,
        log: CallLog,
        metrics: Metrics,
        max_concurrent_requests: int,
        max_input_tokens: int | None = None,
        payload_limit_bytes: int = 2_000_000,
        api_key: str = "",
    ) -> None:
        total = backend.model.max_total_tokens
        self.backend = backend
        self.metrics = metrics
        self.door = Door(limit=max_concurrent_requests, log=log, metrics=metrics)
        self.limits = Limits(max_total_tokens=total, max_input_tokens=max_input_tokens or total - 1)
        self.payload_limit_bytes = payload_limit_bytes
        self.api_key = api_key
        self.healthy = True
        self.unstarted: Misconfigured | None = None
        """Why the backend did not start."""
        self.recorded: deque[object] = deque()


async def read(request: Request, kind: type[BodyT], *, limit_bytes: int) -> BodyT:
    """The request's body.

    Raises:
        Rejection: it is no JSON, not of this shape, or too long.
    """
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise Rejection(415, "Expected request with `Content-Type: application/json`")
    if int(request.headers.get("content-length", 0)) > limit_bytes:
        raise Rejection(413, "Failed to buffer the request body: length limit exceeded")
    raw = await request.body()
    if len(raw) > limit_bytes:
        raise Rejection(413, "Failed to buffer the request body: length limit exceeded")
    try:
        return kind.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        if first["type"] == "json_invalid":
            raise Rejection(400, f"Failed to parse the request body as JSON: {first['msg']}") from error
        where = ".".join(str(part) for part in first["loc"])
        text = f"Failed to deserialize the JSON body into the target type: {where}: {first['msg']}"
        raise Rejection(422, text) from error
