"""Tool calls from models of any size: a few-shot text, and a grammar that leaves no other answer than a call or a reply.

Small models do not call tools through their chat templates (0 of 10 right), but they do when they continue a text of
examples under a JSON grammar. SmolLM2-135M with the four tools that ship and their own examples: the right tool for 13 of
16 requests, and a reply after 8 of 8 results; with a list of signatures in front 2 of 16. Large models do both. Pure:
specs and messages in, prompt out.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from aios.kernel.chat import ToolCall, ToolExample, ToolSpec
from aios.kernel.values import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aios.kernel.ports import Finish
    from aios.kernel.values import Json, JsonObject

_DEPTH: Final = 6
_LONGEST_RESULT: Final = 2000
_PLACEHOLDERS: Final[dict[str, Json]] = {
    "integer": 3,
    "number": 1.5,
    "boolean": True,
    "null": None,
    "array": [],
    "object": {},
}


@dataclass(frozen=True)
class Constrained:
    """A prompt, the grammar of its answer, and how to read that answer.

    Attributes:
        answer: the name of the choice that is a reply in words, no tool call.
        calls: tool calls made earlier in the conversation; the next one's id counts on.
    """

    text: str
    schema: JsonObject
    answer: str
    calls: int

    def read(self, finish: Finish) -> Finish:
        """The generation with its tool call, or its reply in words. What was cut short stays as it is, in the text."""
        try:
            said = json.loads(finish.text)
            name, arguments = said["name"], said["arguments"]
        except (ValueError, KeyError, TypeError):
            return finish
        if name == self.answer:
            return replace(finish, text=_words(arguments))
        return replace(finish, text="", tool_calls=(ToolCall(name, arguments, f"call_{self.calls + 1}"),))


def constrain(
    *, messages: Sequence[JsonObject], tools: Sequence[ToolSpec], schema: JsonObject | None = None
) -> Constrained:
    """The prompt that asks for one of `tools`, or for a reply (which fits `schema`, if one is given)."""
    answer = _answer(tools, schema)
    told = bool(messages) and messages[-1]["role"] == "tool"
    ending = _ending(answer, schema) if told else ""
    # The first tool is nearest to the request: small models heed what they read last.
    shown = [_chat(answer, schema), *(_block(spec, ending) for spec in reversed(tools))]
    text = "\n\n".join([*_notes(messages), *shown, _conversation(messages, answer)])
    earlier = sum(len(m.get("tool_calls") or ()) for m in messages)
    return Constrained(text=text, schema=_union([*tools, answer]), answer=answer.name, calls=earlier)


def plain(messages: Sequence[JsonObject]) -> list[JsonObject]:
    """A conversation in the three roles that every chat template knows: tool calls and results become text."""
    return [_plain(m) for m in messages]


def strict(schema: Json) -> Json:
    """A schema that survives the hub's client, which drops every `null` in an object: `const: null` becomes a type."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: strict(value) for key, value in schema.items() if value is not None}
    return {**kept, "type": "null"} if schema.get("const", ...) is None else kept


def _answer(tools: Sequence[ToolSpec], schema: JsonObject | None) -> ToolSpec:
    names = {tool.name for tool in tools}
    name = next(n for n in ("answer", "reply", "final_answer", "answer_in_words") if n not in names)
    words: JsonObject = {
        "type": "object",
        "properties": {"text": {"type": "string"}},
        "required": ["text"],
        "additionalProperties": False,
    }
    return ToolSpec(name, "Reply in words: when the results are there, or no tool fits.", schema or words)


def _notes(messages: Sequence[JsonObject]) -> list[str]:
    return [_content(m) for m in messages if m["role"] == "system"]


def _block(spec: ToolSpec, ending: str) -> str:
    """A tool as a small model understands it: what it is for, and a request that it met. A list of signatures misleads."""
    examples = spec.examples or (_example(spec),)
    met = (f"Request: {_line(e.request)}\nCall: {_call(spec.name, e.arguments)}{ending}" for e in examples)
    return f"# {_line(spec.description)}\n" + "\n\n".join(met)


def _ending(answer: ToolSpec, schema: JsonObject | None) -> str:
    """How an example ends once a result is there.

    Only then is it shown: else a small model replies at once, and without it, it makes the same call for ever.
    """
    words = {"text": "42"} if schema is None else sample(schema, schema)
    return f"\nResult: 42\nCall: {_call(answer.name, words)}"


def _example(spec: ToolSpec) -> ToolExample:
    """An example of a tool that brings none: argument values from its schema, wording from its description."""
    root = spec.parameters
    properties: JsonObject = root.get("properties", {})
    names = [name for name in properties if name in root.get("required", ())] or list(properties)[:1]
    arguments = {name: sample(properties[name], root, name=name) for name in names}
    values = ", ".join(v if isinstance(v, str) else json.dumps(v) for v in arguments.values())
    return ToolExample(_line(spec.description).rstrip(".") + (f": {values}" if values else ""), arguments)


def _chat(answer: ToolSpec, schema: JsonObject | None) -> str:
    """The example of a request that needs no tool."""
    arguments = {"text": "Hello! How can I help?"} if schema is None else sample(schema, schema)
    return f"Request: Hello!\nCall: {_call(answer.name, arguments)}"


def sample(schema: Json, root: JsonObject, *, name: str = "text", depth: int = _DEPTH) -> Json:
    """A value that fits a schema, taken from its examples, default or choices where it has them."""
    if not isinstance(schema, dict) or depth == 0:
        return name
    for key in ("examples", "enum"):
        if schema.get(key):
            return schema[key][0]
    for key in ("const", "default"):
        if schema.get(key) is not None:
            return schema[key]
    inner = _follow(schema, root)
    if inner is not None:
        return sample(inner, root, name=name, depth=depth - 1)
    return _by_type(schema, root, name=name, depth=depth)


def _by_type(schema: JsonObject, root: JsonObject, *, name: str, depth: int) -> Json:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = kind[0]
    if kind == "object" and schema.get("properties"):
        wanted = schema.get("required", ())
        return {n: sample(p, root, name=n, depth=depth - 1) for n, p in schema["properties"].items() if n in wanted}
    if kind == "array" and "items" in schema:
        return [sample(schema["items"], root, name=name, depth=depth - 1)]
    return _PLACEHOLDERS.get(str(kind), f"some {name}")


def _follow(schema: JsonObject, root: JsonObject) -> Json:
    """What a reference or the first of several alternatives leads to."""
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return schema[key][0]
    reference = str(schema.get("$ref", ""))
    return root.get("$defs", {}).get(reference.rsplit("/", 1)[-1]) if reference else None


def _conversation(messages: Sequence[JsonObject], answer: ToolSpec) -> str:
    lines: list[str] = []
    for message in messages:
        content = _content(message)
        if message["role"] == "user":
            lines.append(("\n" if lines else "") + f"Request: {_line(content)}")
        elif message["role"] == "tool":
            lines.append(f"Result: {content[:_LONGEST_RESULT]}")
        elif message["role"] == "assistant":
            lines.extend(f"Call: {_past(call)}" for call in message.get("tool_calls") or ())
            if content:
                lines.append(f"Call: {_call(answer.name, {'text': content})}")
    return "\n".join([*lines, "Call:"])


def _plain(message: JsonObject) -> JsonObject:
    content = _content(message)
    if message["role"] == "tool":
        name = message.get("name") or "tool"
        return {"role": "user", "content": f"Result of {name}: {content}"}
    calls = "\n".join(f"Call: {_past(call)}" for call in message.get("tool_calls") or ())
    return {"role": message["role"], "content": "\n".join(part for part in (content, calls) if part)}


def _past(call: Json) -> str:
    function = call["function"]
    return _call(function["name"], function.get("arguments"))


def _call(name: str, arguments: Json) -> str:
    return json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False)


def _content(message: JsonObject) -> str:
    """A message's text; parts of OpenAI's form are joined, what is no text is left out."""
    content = message.get("content")
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else "" if content is None else json.dumps(content, ensure_ascii=False)


def _line(text: str) -> str:
    """A text on one line: a blank line would end its example."""
    return " ".join(text.split())


def _words(arguments: Json) -> str:
    """The text of a reply: its words, or for a reply with a schema its JSON."""
    if isinstance(arguments, dict) and set(arguments) == {"text"}:
        return clean(str(arguments["text"]))
    return clean(json.dumps(arguments, ensure_ascii=False))


def _union(choices: Sequence[ToolSpec]) -> JsonObject:
    """The schema of one call: its name decides about its arguments. Definitions move to the root, under names of their own."""
    definitions: JsonObject = {}
    branches: list[Json] = []
    for place, spec in enumerate(choices):
        parameters = _moved(spec.parameters, place)
        definitions.update({f"{place}_{name}": d for name, d in parameters.pop("$defs", {}).items()})
        branches.append(
            {
                "type": "object",
                "properties": {"name": {"const": spec.name}, "arguments": parameters},
                "required": ["name", "arguments"],
                "additionalProperties": False,
            }
        )
    return {"anyOf": branches, **({"$defs": definitions} if definitions else {})}


def _moved(schema: Json, place: int) -> Json:
    """A copy of a schema that stands at `place` of the union: its references to parts of itself follow it there."""
    if isinstance(schema, list):
        return [_moved(item, place) for item in schema]
    if not isinstance(schema, dict):
        return schema
    copy = {key: _moved(value, place) for key, value in schema.items()}
    reference = copy.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/$defs/"):
        copy["$ref"] = f"#/$defs/{place}_{reference.removeprefix('#/$defs/')}"
    elif isinstance(reference, str) and (reference == "#" or reference.startswith("#/")):
        copy["$ref"] = f"#/anyOf/{place}/properties/arguments{reference.removeprefix('#')}"
    return copy
