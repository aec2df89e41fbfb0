"""The child of an errand: one file, one question."""

from aios import Agent, program


@program
async def helper(agent: Agent, task: dict) -> str:
    await agent.storage.write("child.txt", task["key"])
    reply = await agent.llm.chat(f"ask {task['key']} child")
    return reply.text
