"""From a claimed syscall to what a core is asked: its conversation, recalled memories, tools, sampling and trace. Pure."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from aios.kernel.chat import Sampling
from aios.kernel.ports import Prompt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from aios.kernel.chat import ToolSpec
    from aios.kernel.ports import Claimed
    from aios.kernel.values import JsonObject

SYSCALL_HEADER: Final = "x-aios-syscall"
CLAIM_HEADER: Final = "x-aios-claim"


def prompt_of(call: Claimed, *, spec: Callable[[str], ToolSpec]) -> Prompt:
    """What `llm.chat` or `llm.complete` asks.

    Args:
        call: the syscall, with its conversation and the results of earlier ones of its request.
        spec: what a model must know of a tool, by name.
    """
    payload = call.payload
    recalled = call.earlier[payload["recalled"]] if "recalled" in payload else []
    return Prompt(
        messages=call.messages,
        notes=[str(note["content"]) for note in recalled],
        text=payload.get("prompt"),
        tools=[spec(name) for name in payload.get("tools", ())],
        schema=json.loads(payload["schema"]) if "schema" in payload else None,
        sampling=_repeatable(Sampling.from_json(payload.get("sampling", {})), call.id),
        model=payload.get("model", ""),
        fallbacks=payload.get("fallbacks", ()),
        quality=payload.get("quality", 0.0),
        trace={SYSCALL_HEADER: str(call.id), CLAIM_HEADER: str(call.token)},
        valid=call.valid,
    )


def with_memories(messages: Sequence[JsonObject], notes: Sequence[str]) -> list[JsonObject]:
    """The conversation with recalled memories in front: in its own system message, if it begins with one."""
    if not notes:
        return list(messages)
    text = "What you remember:\n" + "\n".join(f"- {note}" for note in notes)
    first = messages[0] if messages else None
    if first is not None and first["role"] == "system" and isinstance(first.get("content"), str):
        return [{**first, "content": f"{first['content']}\n\n{text}"}, *messages[1:]]
    return [{"role": "system", "content": text}, *messages]


def _repeatable(sampling: Sampling, syscall: UUID) -> Sampling:
    """A seed where none was given, so that a second attempt draws what the first one drew."""
    return sampling if sampling.seed is not None else replace(sampling, seed=syscall.int & (2**32 - 1))
