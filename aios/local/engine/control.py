"""`/script`: how a test tells a scripted engine what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response

if TYPE_CHECKING:
    from aios.local.engine.engine import Engine
    from aios.local.engine.script import Script
    from aios.local.engine.scripted import Scripted


def load(engine: Engine, backend: Scripted, script: Script) -> Response:
    """`POST /script`: take over the parts that are given."""
    apply(engine, backend, script)
    return state(engine, backend)


def apply(engine: Engine, backend: Scripted, script: Script) -> None:
    """Load a script; health and recorded answers are the router's."""
    backend.load(script)
    engine.healthy = backend.script.healthy
    if "replay" in script.model_fields_set:
        engine.recorded.clear()
        engine.recorded.extend(script.replay)


def state(engine: Engine, backend: Scripted) -> Response:
    """`GET /script`: the calls since the last rules, how often each rule applied, what is inside, what is left."""
    return JSONResponse(
        {
            "calls": backend.calls,
            "used": [backend.used.get(place, 0) for place in range(len(backend.script.rules))],
            "inside": engine.door.inside,
            "replay_left": len(engine.recorded),
        }
    )
