"""Engines as processes of their own, and what the driver makes of them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
import pytest

from aios.kernel.ports import Finish, Token
from aios.llm.tgi import TGIDriver
from aios.settings import LLMSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aios.kernel.ports import Prompt


class Engine:
    """A running engine, as a test commands and watches it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.Client(base_url=url, timeout=30)

    def script(self, **parts: object) -> None:
        nothing = {"rules": [], "replay": [], "healthy": True, "token_ms": 0}
        self.http.post("/script", json={**nothing, **parts}).raise_for_status()

    @property
    def inside(self) -> int:
        return int(self.http.get("/script").json()["inside"])

    def driver(self, **settings: object) -> TGIDriver:
        return TGIDriver(url=self.url, settings=LLMSettings(**settings), name="engine")


@contextmanager
def running(*arguments: str) -> Iterator[Engine]:
    command = [sys.executable, "-m", "aios.local.engine", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            engine = Engine(process.stdout.readline().removeprefix("listening on ").strip())
            yield engine
            engine.http.close()
        finally:
            process.terminate()
            process.wait(10)


@pytest.fixture(scope="session")
def scripted_engine() -> Iterator[Engine]:
    with running("--backend", "scripted", "--max-concurrent-requests", "4") as engine:
        yield engine


@pytest.fixture
def scripted(scripted_engine: Engine) -> Engine:
    scripted_engine.script()
    return scripted_engine


def ask(core, prompt: Prompt) -> tuple[list[Token], Finish]:
    """All tokens of one generation, and its end."""

    async def run() -> tuple[list[Token], Finish]:
        items = [item async for item in core.generate(prompt)]
        assert isinstance(items[-1], Finish)
        return items[:-1], items[-1]

    return asyncio.run(closing(core, run()))


async def closing(core, coroutine):
    """Run a coroutine and close the core's connections on the same loop."""
    try:
        return await coroutine
    finally:
        await core.aclose()
