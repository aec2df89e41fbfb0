"""Does what it should, beside all the others."""

from aios import Agent, program


@program(tools=["calculator"])
async def good(agent: Agent, task: str) -> list[object]:
    await agent.sleep(0.2)
    reply = await agent.llm.chat("echo this", max_tokens=8)
    return [await agent.now() is not None, bool(reply.text)]
