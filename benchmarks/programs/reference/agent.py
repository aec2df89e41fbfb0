"""The agent that `aios bench peers` runs on this kernel, as its peers run theirs."""

from aios import Agent, program


@program
async def reference(agent: Agent, task: str) -> str:
    """Think, remember and write a file, twice, and think once more: seven operations."""
    for turn in range(2):
        reply = await agent.llm.complete(f"step {3 * turn} of {task}", max_tokens=16)
        await agent.memory.write(f"memory {turn}", reply.text)
        await agent.storage.write(f"file {turn}", reply.text)
    return (await agent.llm.complete(f"step 6 of {task}", max_tokens=16)).text
