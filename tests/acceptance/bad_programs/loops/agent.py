"""Runs for ever without a request."""

from aios import Agent, program


@program
async def loops(agent: Agent, task: str) -> str:
    while True:
        pass
