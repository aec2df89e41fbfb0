"""Engines as processes of their own, one per backend and run."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True)
class Running:
    url: str
    log: Path
    process: subprocess.Popen[str]
    http: httpx.Client

    def calls(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []

    def last_call(self, *, seconds: float = 5.0) -> tuple[dict[str, object], dict[str, object]]:
        """Start and end of the call that ended last; the end is logged once the answer has left."""
        deadline = time.monotonic() + seconds
        while (calls := self.calls())[-1]["event"] != "end":
            assert time.monotonic() < deadline, calls[-1]
            time.sleep(0.005)
        (start,) = [c for c in calls if c["event"] == "start" and c["call"] == calls[-1]["call"]][-1:]
        return start, calls[-1]

    def script(self, **parts: object) -> None:
        self.http.post(
            "/script", json={"rules": [], "replay": [], "healthy": True, "token_ms": 0, **parts}
        ).raise_for_status()

    def state(self) -> dict[str, object]:
        return self.http.get("/script").json()

    def generate(self, inputs: str, **parameters: object) -> httpx.Response:
        return self.http.post("/generate", json={"inputs": inputs, "parameters": parameters})

    def stream(self, inputs: str, **parameters: object) -> list[dict[str, object]]:
        answer = self.http.post("/generate_stream", json={"inputs": inputs, "parameters": parameters})
        assert answer.status_code == 200, answer.text
        return events(answer.text)


def events(text: str) -> list[dict[str, object]]:
    """The events of a stream, without `[DONE]`."""
    blocks = [block for block in text.split("\n\n") if block.startswith("data: ") and block != "data: [DONE]"]
    return [json.loads(block.removeprefix("data: ")) for block in blocks]


@contextmanager
def engine(folder: Path, *arguments: str) -> Iterator[Running]:
    log = folder / "calls.jsonl"
    command = [sys.executable, "-m", "aios.local.engine", "--log", str(log), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("listening on "), line
            url = line.removeprefix("listening on ").strip()
            with httpx.Client(base_url=url, timeout=30) as http:
                yield Running(url, log, process, http)
        finally:
            process.terminate()
            process.wait(10)


@pytest.fixture(scope="session")
def scripted_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with engine(
        tmp_path_factory.mktemp("scripted"), "--backend", "scripted", "--max-concurrent-requests", "4"
    ) as running:
        yield running


@pytest.fixture
def scripted(scripted_engine: Running) -> Running:
    scripted_engine.script()
    return scripted_engine


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with engine(tmp_path_factory.mktemp("simulated"), "--backend", "simulated", "--zero-latency") as running:
        yield running


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("llama")
    with engine(folder, "--backend", "llama", "--context", "512", "--data-dir", str(folder)) as running:
        yield running


@pytest.fixture(params=["scripted", "simulated"])
def made_up(request: pytest.FixtureRequest) -> Running:
    """The backends that answer at once."""
    running: Running = request.getfixturevalue(request.param)
    return running
