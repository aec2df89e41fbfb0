"""Has a syntax error."""

from aios import Agent, program

@program
async def broken(agent: Agent, task: str) -> str:
    return "never
