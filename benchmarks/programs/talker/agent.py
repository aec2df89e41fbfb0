"""Talks for longer than any window is, then asks about what was said long ago."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aios import program

if TYPE_CHECKING:
    from aios import Agent


@program
async def talker(agent: Agent, task: dict[str, Any]) -> dict[str, int]:
    """Say all `turns`, ask all `questions`, under the strategy `context`; a model replies to every `every`th turn."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": "You are a patient assistant."}]
    for turn, said in enumerate(task["turns"]):
        messages.append({"role": "user", "content": said})
        if turn % task["every"]:
            messages.append({"role": "assistant", "content": f"Fine, we can do that ({turn})."})
            continue
        reply = await agent.llm.chat(messages, max_tokens=24, context=task["context"])
        messages.append(reply.message)
    for question in task["questions"]:
        await agent.llm.chat([*messages, {"role": "user", "content": question}], max_tokens=8, context=task["context"])
    return {"messages": len(messages)}
