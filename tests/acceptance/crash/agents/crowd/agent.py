"""Eight requests side by side, twice: every one of them wakes the agent."""

from aios import Agent, program


@program
async def crowd(agent: Agent, task: dict) -> int:
    first = await agent.gather(*(agent.storage.write(f"{n}.txt", str(n)) for n in range(task["width"])))
    texts = await agent.gather(*(agent.storage.read(f"{n}.txt") for n in range(task["width"])))
    return sum(map(int, texts)) if all(file.version == 1 for file in first) else -1
