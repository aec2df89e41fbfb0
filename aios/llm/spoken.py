"""A prompt in OpenAI's words: messages, tools and parameters of `/v1/chat/completions` and `/v1/completions`. Pure.

Names of tools may hold what OpenAI's pattern refuses (`web.fetch`): each is written in a form of its own that it allows, and
read back by a table, never by undoing the writing, so that no legal name is mistaken for another.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from aios.kernel.values import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aios.kernel.chat import Sampling, ToolSpec
    from aios.kernel.ports import Finish
    from aios.kernel.values import Json, JsonObject

_FORBIDDEN: Final = re.compile(r"[^a-zA-Z0-9_-]")
_LONGEST_NAME: Final = 64


@dataclass(frozen=True)
class Names:
    """How tools are called on the wire, and what that means here."""

    written: dict[str, str]

    @classmethod
    def of(cls, names: Iterable[str]) -> Names:
        """A table for some names; those that are allowed stay as they are."""
        listed = list(dict.fromkeys(names))
        taken = {name for name in listed if _allowed(name)}
        written = {name: name for name in taken}
        for name in listed:
            if name not in written:
                written[name] = _unlike(_FORBIDDEN.sub("_", name)[:_LONGEST_NAME], taken)
                taken.add(written[name])
        return cls(written)

    def write(self, name: str) -> str:
        """A name for the wire."""
        return self.written.get(name, name)

    def read(self, finish: Finish) -> Finish:
        """A generation whose tool calls have their own names again."""
        meant = {written: name for name, written in self.written.items()}
        calls = tuple(replace(call, name=meant.get(call.name, call.name)) for call in finish.tool_calls)
        return replace(finish, tool_calls=calls)


def names(messages: Sequence[JsonObject], tools: Sequence[ToolSpec]) -> Names:
    """The table for all tools that a prompt mentions."""
    past = [call["function"]["name"] for message in messages for call in message.get("tool_calls") or ()]
    return Names.of([*(tool.name for tool in tools), *past])


def messages(given: Sequence[JsonObject], names: Names) -> list[JsonObject]:
    """A conversation as OpenAI takes it: arguments as JSON text, and each tool's result with the id of its call."""
    waiting: list[str] = []
    said: list[JsonObject] = []
    for message in given:
        if message.get("tool_calls"):
            calls = [_call(call, place, names) for place, call in enumerate(message["tool_calls"], start=len(said))]
            waiting = [call["id"] for call in calls]
            said.append({"role": "assistant", "content": message.get("content") or None, "tool_calls": calls})
        elif message["role"] == "tool":
            own = message.get("tool_call_id") or (waiting[0] if waiting else "call_0")
            waiting = [call for call in waiting if call != own]
            said.append({"role": "tool", "tool_call_id": own, "content": _text(message.get("content"))})
        else:
            said.append({key: message[key] for key in ("role", "content", "name") if message.get(key) is not None})
    return said


def tools(specs: Sequence[ToolSpec], names: Names) -> list[JsonObject]:
    """Tools in OpenAI's shape."""
    return [{"type": "function", "function": {**spec.to_json(), "name": names.write(spec.name)}} for spec in specs]


def response_format(schema: JsonObject) -> JsonObject:
    """The format of a reply that must fit a schema."""
    return {"type": "json_schema", "json_schema": {"name": "reply", "schema": schema}}


def parameters(sampling: Sampling, *, default_tokens: int) -> tuple[JsonObject, JsonObject]:
    """What OpenAI's routes take, and, as extras that servers of open models take, what they lack."""
    own: JsonObject = {
        "max_tokens": sampling.max_tokens or default_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": sampling.seed,
        "stop": list(sampling.stop) or None,
    }
    extra: JsonObject = {"top_k": sampling.top_k, "repetition_penalty": sampling.repetition_penalty}
    return _given(own), _given(extra)


def _given(values: JsonObject) -> JsonObject:
    return {name: value for name, value in values.items() if value is not None}


def _call(call: Json, place: int, names: Names) -> JsonObject:
    function = call["function"]
    arguments = function.get("arguments")
    text = arguments if isinstance(arguments, str) else json.dumps(arguments or {}, ensure_ascii=False)
    name = names.write(function["name"])
    return {"id": call.get("id") or f"call_{place}", "type": "function", "function": {"name": name, "arguments": text}}


def _text(content: Json) -> str:
    return content if isinstance(content, str) else clean(json.dumps(content, ensure_ascii=False))


def _allowed(name: str) -> bool:
    return bool(name) and not _FORBIDDEN.search(name) and len(name) <= _LONGEST_NAME


def _unlike(name: str, taken: set[str]) -> str:
    number, found = 2, name or "tool"
    while found in taken:
        end = f"_{number}"
        found, number = f"{name[: _LONGEST_NAME - len(end)]}{end}", number + 1
    return found
