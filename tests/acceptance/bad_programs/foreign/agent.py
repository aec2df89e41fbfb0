"""Awaits something that is no request."""

import asyncio

from aios import Agent, program


@program
async def foreign(agent: Agent, task: str) -> str:
    await asyncio.sleep(1)
    return "never"
