"""A program that does something for good."""

from aios import Agent, program


@program(tools=["send_once"])
async def sender(agent: Agent, task: str) -> str:
    """Send the task as a message, once a human has agreed."""
    return await agent.tool.call("send_once", text=task)
