"""One question."""

from aios import Agent, program


@program
async def asker(agent: Agent, task: str) -> str:
    reply = await agent.llm.chat(task)
    return reply.text
