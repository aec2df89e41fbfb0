"""Catches every signal, its own eviction included."""

import contextlib

from aios import Agent, program


@program
async def swallows(agent: Agent, task: str) -> str:
    while True:
        with contextlib.suppress(BaseException):
            await agent.sleep(60)
