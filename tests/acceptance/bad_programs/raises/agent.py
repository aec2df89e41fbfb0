"""Raises an exception of its own."""

from aios import Agent, program


@program
async def raises(agent: Agent, task: str) -> str:
    await agent.now()
    raise LookupError(f"no {task}")
