"""Tool calls as TGI makes them: a JSON grammar over the tools' schemas, and the reading of what came out of it.

The model writes `{"function": {"_name": <tool>, ...arguments}}`. Under `auto` there is one tool more, `no_tool`; when the
model picks it, the conversation is generated once more without any grammar.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple, cast

from aios.local.engine.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aios.local.engine.bodies import ChatBody, FunctionBody

NO_TOOL = "no_tool"
_PROMPT = (
    "Answer with the JSON of one call, with all its arguments as values, of the function that serves best. Functions:"
)
_HEAD = re.compile(r'\s*\{\s*"function"\s*:\s*\{\s*"_name"\s*:\s*"(?P<name>[^"\\]+)"\s*(?P<next>[,}])\s*')


class Offered(NamedTuple):
    """The tools of a chat, ready for generation: the grammar's schema as JSON text and what the prompt says."""

    schema: str
    prompt: str


class Spoken(NamedTuple):
    """A tool call as the model wrote it."""

    name: str
    arguments: str


def offer(body: ChatBody) -> Offered | None:
    """What a chat offers; `None` without tools.

    Raises:
        Refusal: tools and a grammar at once, or a choice that names no tool.
    """
    if not body.tools or body.tool_choice == "none":
        return None
    if body.response_format is not None:
        raise Refusal("tool_error", "Grammar and tools are mutually exclusive")
    functions = [tool.function for tool in body.tools]
    ways = [_way(function) for function in _chosen(functions, body)]
    if body.tool_choice in (None, "auto"):
        ways.append(_way_of(NO_TOOL, {}, []))
    schema: dict[str, object] = {"type": "object", "properties": {"function": {"anyOf": ways}}}
    schema |= {"required": ["function"], "additionalProperties": False}
    return Offered(json.dumps(schema), f"\n---\n{body.tool_prompt or _PROMPT}\n{_listed(functions)}")


def _chosen(functions: Sequence[FunctionBody], body: ChatBody) -> list[FunctionBody]:
    choice = body.tool_choice
    if choice is None or choice in ("auto", "required"):
        return list(functions)
    name = choice if isinstance(choice, str) else choice.function.name
    found = [function for function in functions if function.name == name]
    if not found:
        raise Refusal("tool_error", f"Tool error: Tool with name {name} not found")
    return found


def _way(function: FunctionBody) -> dict[str, object]:
    arguments = function.parameters or function.arguments or {}
    properties = arguments.get("properties")
    required = arguments.get("required")
    way = _way_of(
        function.name,
        cast("dict[str, object]", properties if isinstance(properties, dict) else {}),
        cast("list[str]", required if isinstance(required, list) else []),
    )
    return way | {key: arguments[key] for key in ("$defs", "definitions") if key in arguments}


def _way_of(name: str, properties: dict[str, object], required: list[str]) -> dict[str, object]:
    return {
        "type": "object",
        "properties": {"_name": {"type": "string", "const": name}, **properties},
        "required": ["_name", *required],
        "additionalProperties": False,
    }


def _listed(functions: Sequence[FunctionBody]) -> str:
    shown = [
        {"name": f.name, "description": f.description or "", "arguments": f.parameters or f.arguments or {}}
        for f in functions
    ]
    return json.dumps(shown, ensure_ascii=False)


def head(text: str) -> tuple[str, int] | None:
    """The tool's name once it stands whole in the text, and where its arguments go on; `None` before that."""
    found = _HEAD.match(text)
    if found is None:
        return None
    return found["name"], found.end() if found["next"] == "," else found.start("next")


def spoken(text: str) -> Spoken | None:
    """The call in a whole answer; `None` when the model chose none.

    Raises:
        Refusal: the text is no call (it was cut by its length).
    """
    try:
        function = json.loads(text)["function"]
        name = function.pop("_name")
    except (ValueError, KeyError, TypeError) as error:
        raise Refusal("tool_error", f"Tool error: Failed to parse generated text: {error} {text!r}") from error
    if name == NO_TOOL:
        return None
    return Spoken(name, json.dumps(function, ensure_ascii=False, separators=(",", ":")))


class Deltas:
    """Turns the growing text of a call into pieces of its arguments, as JSON text."""

    def __init__(self) -> None:
        self.name: str | None = None
        self._text = ""
        self._sent = 0

    def push(self, text: str) -> str | None:
        """What the next delta of the arguments says; `None`: nothing yet, or nothing more."""
        self._text += text
        if self.name is None:
            found = head(self._text)
            if found is None:
                return None
            self.name, self._sent = found
            return "{" + self._rest()
        return self._rest() or None

    def _rest(self) -> str:
        """What was not sent; of a finished call all but the brace that closes the outer object."""
        end = len(self._text)
        if _whole(self._text):
            end = self._text.rindex("}")
        rest = self._text[self._sent : end]
        self._sent = len(self._text)
        return rest


def _whole(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
