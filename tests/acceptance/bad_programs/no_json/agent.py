"""Returns what is no JSON."""

from aios import Agent, program


@program
async def no_json(agent: Agent, task: str) -> object:
    return {agent}
