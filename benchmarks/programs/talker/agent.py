"""Talks for longer than any window is, then asks about what was said long ago."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aios import program

if TYPE_CHECKING:
    from aios import Agent


@program
async def talker(agent: Agent, task: dict[str, Any]) -> dict[str, int]:
    """Say every one of `turns`, ask every one of `questions`, under the strategy `context`."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": "You are a patient assistant."}]
    for said in task["turns"]:
        messages.append({"role": "user", "content": said})
        reply = await agent.llm.chat(messages, max_tokens=24, context=task["context"])
        messages.append(reply.message)
    for question in task["questions"]:
        await agent.llm.chat([*messages, {"role": "user", "content": question}], max_tokens=8, context=task["context"])
    return {"messages": len(messages)}
