"""Programs that the benchmarks run: nothing but syscalls."""

import hashlib
from functools import cache

from aios import Agent, program


@program
async def calls(agent: Agent, task: int) -> int:
    """Make `task` LLM calls, one after the other."""
    for number in range(task):
        await agent.llm.complete(f"call {number} of {agent.id}", max_tokens=16)
    return task


@cache  # every replay says it again, and a user's words cost nothing to come by
def said(turn: int) -> str:
    """2 KB of text that does not compress."""
    return hashlib.shake_256(str(turn).encode()).hexdigest(1024)


@program
async def interrupted(agent: Agent, task: int) -> int:
    """Hold a conversation of `task` turns, each question 2 KB of text that does not compress, and one after a break."""
    messages: list[dict[str, str]] = []
    await _turns(agent, messages, task)
    await agent.ask("Shall we go on?")
    await _turns(agent, messages, 1)
    return task


async def _turns(agent: Agent, messages: list[dict[str, str]], turns: int) -> None:
    for turn in range(turns):
        messages.append({"role": "user", "content": said(turn)})
        reply = await agent.llm.chat(messages, max_tokens=8)
        messages.append(reply.message)


@program(tools=["calculator"])
async def thinks(agent: Agent, task: int) -> int:
    """Think and calculate `task` times, as ReAct does, then answer: each prompt has all that was said and seen before."""
    notes = f"Question {agent.id}: {'what is it all worth? ' * 20}\n"
    for step in range(task):
        reply = await agent.llm.complete(notes, max_tokens=24)
        seen = await agent.tool.call("calculator", expression=f"{step} * 2 + 1")
        notes += f"Thought: {reply.text}\nObservation: {seen}\n"
    await agent.llm.complete(notes, max_tokens=24)
    return task
