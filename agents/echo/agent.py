"""Echo: the smallest program. It asks the model once and gives back what it said."""

from aios import Agent, program


@program
async def echo(agent: Agent, task: str) -> str:
    """Answer the task with one model call."""
    reply = await agent.llm.chat(task, max_tokens=64)
    return reply.text
