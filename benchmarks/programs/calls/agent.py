"""Programs that the benchmarks run: nothing but syscalls."""

from aios import Agent, program


@program
async def calls(agent: Agent, task: int) -> int:
    """Make `task` LLM calls, one after the other."""
    for number in range(task):
        await agent.llm.complete(f"call {number}", max_tokens=16)
    return task
