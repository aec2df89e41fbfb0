"""Programs that the benchmarks run: nothing but syscalls."""

import random
import string

from aios import Agent, program


@program
async def calls(agent: Agent, task: int) -> int:
    """Make `task` LLM calls, one after the other."""
    for number in range(task):
        await agent.llm.complete(f"call {number}", max_tokens=16)
    return task


@program
async def talk(agent: Agent, task: int) -> int:
    """Hold a conversation of `task` turns, each question 2 KB of text that does not compress."""
    noise = random.Random(1)  # the same text at each replay
    messages: list[dict[str, str]] = []
    for _ in range(task):
        messages.append(
            {"role": "user", "content": "".join(noise.choices(string.ascii_letters + string.digits, k=2048))}
        )
        reply = await agent.llm.chat(messages, max_tokens=8)
        messages.append(reply.message)
    return task
