"""So many tokens of one story, always the same ones."""

from aios import Agent, program


@program
async def writes(agent: Agent, task: int) -> str:
    reply = await agent.llm.complete("Once upon a time", model="novel", max_tokens=task, temperature=0.8, seed=5)
    return reply.text
