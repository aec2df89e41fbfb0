"""Reading what a core sends: token frames, chat chunks and constrained answers become the kernel's values. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from aios.kernel.chat import ToolCall, Usage
from aios.kernel.ports import Finish, Token
from aios.kernel.values import clean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aios.kernel.values import Json, JsonObject

Reason = Literal["stop", "length", "stop_sequence"]

REASONS: Final[dict[str, Reason]] = {
    "eos_token": "stop",
    "stop": "stop",
    "tool_calls": "stop",
    "function_call": "stop",
    "length": "length",
    "stop_sequence": "stop_sequence",
}
"""Every spelling of a finish reason that TGI and its kin use."""

NO_ID: Final = -1  # chat routes send texts without token ids
_NO_TOOL: Final = "no_tool"  # what a TGI server lets the model choose when no tool fits


def token(frame: Json) -> Token:
    """One frame of `/generate_stream` as a token."""
    said = frame["token"]
    return Token(
        index=int(frame["index"]),
        id=int(said["id"]),
        text=clean(said["text"]),
        logprob=said["logprob"],
        special=bool(said["special"]),
    )


def finish(frame: Json, tokens: Sequence[Token]) -> Finish | None:
    """The end of a generation, told in its last frame; None for every other frame."""
    text = frame.get("generated_text")
    if text is None:
        return None
    details = frame.get("details") or {}
    usage = Usage(
        prompt_tokens=int(details.get("input_length") or 0),
        completion_tokens=int(details.get("generated_tokens") or len(tokens)),
    )
    reason = REASONS[details.get("finish_reason") or "stop"]
    return Finish(text=clean(text), reason=reason, usage=usage, token_ids=tuple(t.id for t in tokens))


@dataclass
class _Fragments:
    """A tool call under way: its arguments come as pieces of JSON text, or as an object."""

    id: str = ""
    name: str = ""
    text: str = ""
    value: JsonObject | None = None

    def add(self, call: Json) -> None:
        function = call.get("function") or {}
        self.id = self.id or str(call.get("id") or "")
        self.name = self.name or str(function.get("name") or "")
        arguments = function.get("arguments")
        if isinstance(arguments, dict):
            self.value = {**(self.value or {}), **arguments}
        else:
            self.text += arguments or ""

    def arguments(self) -> JsonObject | None:
        """The arguments, or None while they are no JSON object."""
        if self.value is not None:
            return self.value
        try:
            value = json.loads(self.text or "{}")
        except ValueError:
            return None
        return value if isinstance(value, dict) else None


@dataclass
class ChatDraft:
    """A streamed chat answer as far as it has come: its text and every tool call, never one for the other."""

    texts: list[str] = field(default_factory=list)
    calls: dict[int, _Fragments] = field(default_factory=dict)
    reason: Reason | None = None
    usage: Usage | None = None
    pieces: int = 0
    _latest: dict[int, int] = field(default_factory=dict)

    def add(self, *, choices: Sequence[Json], usage: Json) -> list[Token]:
        """Take in one chunk; the text that it adds, as tokens without an id."""
        if usage:
            self.usage = Usage(int(usage["prompt_tokens"]), int(usage["completion_tokens"]))
        return [t for choice in choices if not choice.get("index") for t in self._choice(choice)]

    def finish(self) -> Finish:
        """The whole answer; what a tool call left unfinished stays in the text."""
        text, calls = "".join(self.texts), []
        for place, call in sorted(self.calls.items()):
            arguments = call.arguments()
            if call.name == _NO_TOOL:
                text += str((arguments or {}).get("content") or "")
            elif arguments is None:
                text += clean(f"{call.name} {call.text}")
            else:
                calls.append(ToolCall(call.name, arguments, call.id or f"call_{place}"))
        usage = self.usage or Usage(completion_tokens=self.pieces)
        return Finish(text=text, reason=self.reason or "stop", usage=usage, tool_calls=tuple(calls))

    def _choice(self, choice: Json) -> list[Token]:
        if choice.get("finish_reason"):
            self.reason = REASONS[choice["finish_reason"]]
        delta: Mapping[str, Json] = choice.get("delta") or {"content": choice.get("text")}
        self._take_calls(delta.get("tool_calls"))
        text = clean(delta.get("content") or "")
        if not text:
            return []
        self.texts.append(text)
        self.pieces += 1
        return [Token(index=self.pieces, id=NO_ID, text=text)]

    def _take_calls(self, calls: Json) -> None:
        given = [calls] if isinstance(calls, dict) else calls or []  # TGI 2 sent one object, TGI 3 sends a list
        for place, call in enumerate(given):
            at = call.get("index")
            self._fragments(place if at is None else int(at), call).add(call)
            self.pieces += 1

    def _fragments(self, at: int, call: Json) -> _Fragments:
        """The call that a fragment belongs to; Ollama gives each call of an answer the index 0, with an id of its own."""
        known = self._latest.get(at, at)
        begins = call.get("id") and (call.get("function") or {}).get("name")
        if begins and known in self.calls and self.calls[known].id not in ("", str(call["id"])):
            known = self._latest[at] = max(self.calls) + 1
        return self.calls.setdefault(known, _Fragments())
