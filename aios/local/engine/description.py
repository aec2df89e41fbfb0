"""The routes that describe the engine: `/info`, `/health`, `/metrics`, `/v1/models`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, PlainTextResponse, Response

if TYPE_CHECKING:
    from aios.local.engine.engine import Engine

# The release line whose behaviour is kept to; clients read it as TGI's version.
VERSION = "3.3.6-aios"


def info(engine: Engine) -> Response:
    """`GET /info`."""
    model, limits = engine.backend.model, engine.limits
    return JSONResponse(
        {
            "model_id": model.id,
            "model_sha": model.sha,
            "model_pipeline_tag": None,
            "max_concurrent_requests": engine.door.limit,
            "max_best_of": limits.max_best_of,
            "max_stop_sequences": limits.max_stop_sequences,
            "max_input_tokens": limits.max_input_tokens,
            "max_total_tokens": limits.max_total_tokens,
            "validation_workers": 1,
            "max_client_batch_size": limits.max_client_batch_size,
            "router": "aios-engine",
            "version": VERSION,
            "sha": None,
            "docker_label": None,
            **_extension(engine),
        }
    )


def _extension(engine: Engine) -> dict[str, object]:
    """How a half-done generation can go on here, for clients that know of more than TGI does."""
    states = engine.backend.states
    return {} if states is None else {"aios": {"resume": "kv", "states": states.fingerprint}}


def health(engine: Engine) -> Response:
    """`GET /health`, `/ping` and `/`."""
    if engine.healthy:
        return Response()
    return JSONResponse({"error": "unhealthy", "error_type": "healthcheck"}, status_code=503)


def metrics(engine: Engine) -> Response:
    """`GET /metrics`."""
    queued = engine.backend.queued()
    return PlainTextResponse(engine.metrics.text(queued=queued, running=engine.door.inside - queued))


def models(engine: Engine) -> Response:
    """`GET /v1/models`."""
    name = engine.backend.model.id
    listed = {"id": name, "object": "model", "created": 0, "owned_by": name}
    return JSONResponse({"object": "list", "data": [listed]})
