"""Options to a running engine: the composition root of the engine's process."""

from __future__ import annotations

import json
import socket
import sys
from typing import TYPE_CHECKING

import uvicorn

from aios import garbage
from aios.errors import Misconfigured
from aios.local.engine import control, gguf
from aios.local.engine.app import application
from aios.local.engine.call_log import CallLog
from aios.local.engine.engine import Engine
from aios.local.engine.llama import Llama
from aios.local.engine.llama_server import packaged_model
from aios.local.engine.metrics import Metrics
from aios.local.engine.script import Script
from aios.local.engine.scripted import Scripted
from aios.local.engine.simulated import Simulated, Timing
from aios.local.engine.states import Room, States, fingerprint

if TYPE_CHECKING:
    import argparse

    from aios.local.engine.backend import Backend

_BACKLOG = 2048


def serve(options: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        Misconfigured: it cannot start.
    """
    log = CallLog(path=options.log)
    engine = Engine(
        backend=_backend(options),
        log=log,
        metrics=Metrics(),
        max_concurrent_requests=options.max_concurrent_requests,
        max_input_tokens=options.max_input_tokens,
        payload_limit_bytes=options.payload_limit,
        api_key=options.api_key,
    )
    if isinstance(engine.backend, Scripted):
        control.apply(engine, engine.backend, _script(options))
    with _listen(options.host, options.port) as listening:
        host, port = listening.getsockname()[:2]
        config = uvicorn.Config(
            application(engine),
            log_level="critical",  # an answer that is cut on purpose is an error to uvicorn
            access_log=False,
            proxy_headers=False,
            backlog=_BACKLOG,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=2,
        )
        server = _Announced(config, line=f"listening on http://{host}:{port}")
        try:
            server.run(sockets=[listening])
        except SystemExit:  # uvicorn's answer to a start that failed
            if engine.unstarted is None:
                raise
            raise engine.unstarted from None
    log.close()


class _Announced(uvicorn.Server):
    """Says where it listens once it does."""

    def __init__(self, config: uvicorn.Config, *, line: str) -> None:
        super().__init__(config)
        self._line = line

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            garbage.settle()
            sys.stdout.write(self._line + "\n")
            sys.stdout.flush()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio turns Nagle's algorithm off only where it is: without it a kept-alive
    # connection waits 40 ms per answer for a delayed acknowledgement.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise Misconfigured(f"the engine cannot listen on {host}:{port} ({error})", "choose another --port") from error
    return listening


def _backend(options: argparse.Namespace) -> Backend:
    if options.backend == "scripted":
        return Scripted(script=Script(), context=options.context)
    if options.backend == "llama":
        model = options.model_path or packaged_model()
        if not model.is_file():
            raise Misconfigured(f"no model file at {model}", gguf.REMEDY)
        room = Room(options.state_megabytes * 1_000_000, options.state_seconds)
        return Llama(model=model, slots=options.slots, context=options.context, data_dir=options.data_dir, room=room)
    timing = Timing(
        slots=options.slots,
        prefill_tokens_per_second=options.prefill_tokens_per_second,
        step_ms=options.step_ms,
        step_per_sequence_ms=options.step_per_sequence_ms,
        zero=options.zero_latency,
    )
    states = None
    if options.data_dir is not None and options.state_megabytes:
        room = Room(options.state_megabytes * 1_000_000, options.state_seconds)
        states = States(options.data_dir / "slots", fingerprint=fingerprint("simulated", options.seed), room=room)
    return Simulated(
        timing=timing, context=options.context, seed=options.seed, answer_tokens=options.answer_tokens, states=states
    )


def _script(options: argparse.Namespace) -> Script:
    """The script of the command line: a file, and times that the file need not say."""
    try:
        said = json.loads(options.script.read_text()) if options.script else {}
        return Script.model_validate({"latency_ms": options.latency_ms, "token_ms": options.token_ms, **said})
    except (OSError, ValueError) as error:
        raise Misconfigured(f"the script {options.script} cannot be read ({error})", "mend the file") from error
