"""Repair: a model that called a tool wrongly is told what was wrong and may answer again, a bounded number of times. Pure.

Each round is a request of its own, journalled and counted as a step. What the caller gets reads as if the model had called
rightly at first: right calls stay with their results, wrong ones make room for the answer to them. Calls that are only
wrong are safe to ask again for: arguments are checked before a tool begins.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeAlias

from aios.kernel.chat import Reply, Usage
from aios.kernel.request import Request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Sequence

    from aios.kernel.values import Json, JsonObject

Acted: TypeAlias = tuple[Reply, list["Json"]]
Ask: TypeAlias = "Callable[[Sequence[JsonObject]], Awaitable[Acted]]"

MENDABLE: Final = frozenset({"BadToolArguments", "UnknownTool", "ToolDenied"})
"""Errors by which nothing has begun, and that say what to do instead."""

MOST_REPAIRS: Final = 5


@dataclass(frozen=True)
class Repairing:
    """Tool use that may be asked again: await it like a request.

    Attributes:
        ask: asks with a conversation, and runs the tools that are called.
        messages: the conversation.
        repairs: rounds after the first, at most.
    """

    ask: Ask
    messages: Sequence[JsonObject]
    repairs: int

    @property
    def request(self) -> Request[Acted]:
        """The first round's request, as it is asked if the conversation fits."""
        asked = self.ask(self.messages)
        assert isinstance(asked, Request)
        return asked

    def __await__(self) -> Generator[object, Acted, Acted]:
        """Ask, and ask again while something can be mended."""
        return self._asked().__await__()

    async def _asked(self) -> Acted:
        reply, results = await self.ask(self.messages)
        for number in range(1, self.repairs + 1):
            if not wrong(results):
                break
            again, more = await self.ask([*self.messages, *told(reply, results)])
            reply, results = merged(reply, results, again, more, number=number)
        return reply, results


def wrong(results: Sequence[Json]) -> list[JsonObject]:
    """The entries whose call the model may mend."""
    return [entry for entry in results if isinstance(entry, dict) and entry.get("kind") in MENDABLE]


def told(reply: Reply, results: Sequence[Json]) -> list[JsonObject]:
    """The turns that show a model what its calls came to: its reply, and one tool message for each call."""
    answers: list[JsonObject] = []
    for call, entry in zip(reply.tool_calls, results, strict=False):
        seen = f"error: {entry['error']}" if "error" in entry else json.dumps(entry.get("result"), ensure_ascii=False)
        answers.append({"role": "tool", "tool_call_id": call.id, "name": call.name, "content": seen})
    return [reply.message, *answers]


def merged(reply: Reply, results: Sequence[Json], again: Reply, more: Sequence[Json], *, number: int) -> Acted:
    """Both rounds as one: the right calls of the first, then those of the second, each told from the others by its id."""
    kept = [
        (call, entry) for call, entry in zip(reply.tool_calls, results, strict=False) if entry not in wrong(results)
    ]
    taken = {call.id for call, _ in kept}
    for call, entry in zip(again.tool_calls, more, strict=False):
        unlike = f"{call.id}.{number}" if call.id in taken else call.id
        mended = {**entry, "repairs": number, **({"id": unlike} if "id" in entry else {})}
        kept.append((replace(call, id=unlike), mended))
    usage = Usage(
        reply.usage.prompt_tokens + again.usage.prompt_tokens,
        reply.usage.completion_tokens + again.usage.completion_tokens,
    )
    whole = replace(again, text=again.text or reply.text, tool_calls=tuple(call for call, _ in kept), usage=usage)
    return whole, [entry for _, entry in kept]
