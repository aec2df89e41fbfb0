"""Programs that the benchmark of the access manager runs."""

from aios import Agent, program
from aios.errors import AccessDenied


@program
async def reaches(agent: Agent, task: int) -> int:
    """Try `task` times to read what is not its own; gives how often it was denied."""
    denied = 0
    for number in range(task):
        try:
            await agent.storage.read(f"/groups/others/{number}.txt")
        except AccessDenied:
            denied += 1
        await agent.memory.add(f"note {number} of {agent.id}")
    return denied


@program
async def asks(agent: Agent, task: str) -> str:
    """Ask a human for a grant, and wait."""
    return await agent.access.grant("read", "file:/groups/others/**", reason=task)
