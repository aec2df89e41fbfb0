"""Calls tools side by side: what the benchmark of tools runs by the hundred."""

from aios import Agent, program

TOOLS = [f"stub{n:02}" for n in range(20)]


@program(tools=TOOLS)
async def busy(agent: Agent, task: list) -> list:
    """Call each tool of a list of (tool, number), all at once; give the numbers back in order."""
    return await agent.gather(*(agent.tool.call(tool, number=number) for tool, number in task))
