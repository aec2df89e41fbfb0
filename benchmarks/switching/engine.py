"""The engine of a cell: a process of its own that is killed, and started again on the same port with the same files."""

from __future__ import annotations

import io
import json
import multiprocessing
import socket
import time
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Self

from aios.local.engine.options import parse
from aios.local.engine.server import serve
from aios.local.ports import LOOPBACK, free_port

if TYPE_CHECKING:
    from pathlib import Path

FORK = multiprocessing.get_context("fork")  # a started interpreter: killed and back within a tenth of a second
_READY_SECONDS = 60.0


class Engine:
    """`with Engine(...)`: it runs, until the block ends."""

    def __init__(self, folder: Path, *, backend: str, slots: int, step_ms: float = 1.0) -> None:
        """Nothing is started before `with`; `step_ms` is the simulated engine's time for a token."""
        self.port = free_port()
        self.url = f"http://{LOOPBACK}:{self.port}"
        self.states = folder / "slots"
        self._argv = ["--backend", backend, "--port", str(self.port), "--slots", str(slots), "--data-dir", str(folder)]
        self._argv += ["--step-ms", str(step_ms), "--step-per-sequence-ms", "0.05", "--context", "1024"]
        self._log = folder / "calls.jsonl"
        self._argv += ["--log", str(self._log)]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start it and wait until it listens."""
        self._process = FORK.Process(target=_serve, args=(self._argv,))
        self._process.start()
        end = time.monotonic() + _READY_SECONDS
        while not _listens(self.port):
            if time.monotonic() > end or not self._process.is_alive():
                raise SystemExit(f"the engine did not start: {' '.join(self._argv)}")
            time.sleep(0.01)

    def generated(self) -> int:
        """Tokens that it generated so far; what it was at when it was killed is not known."""
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        return sum(json.loads(line)["tokens"] for line in lines if '"event":"end"' in line)

    def kill(self) -> None:
        """SIGKILL it."""
        self._process.kill()
        self._process.join()


def _serve(argv: list[str]) -> None:
    with redirect_stdout(io.StringIO()):  # it says where it listens, which is known
        serve(parse(argv))


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0
