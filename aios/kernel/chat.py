"""What is said to a model and what comes back: messages, sampling parameters, replies, tool calls, usage."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aios.errors import InvalidArgument

if TYPE_CHECKING:
    from aios.kernel.values import Json, JsonObject

ROLES: Final = ("system", "user", "assistant", "tool")


@dataclass(frozen=True)
class Sampling:
    """How a model picks tokens. `None` leaves a choice to the engine (TGI: greedy unless something here says otherwise)."""

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    repetition_penalty: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what no engine accepts, before anything is journalled."""
        if self.max_tokens is not None and self.max_tokens < 1:
            raise InvalidArgument("max_tokens", self.max_tokens, "give at least 1")
        if self.temperature is not None and self.temperature < 0:
            raise InvalidArgument("temperature", self.temperature, "give 0 (greedy) or more")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise InvalidArgument("top_p", self.top_p, "give a number above 0 and up to 1")
        if self.top_k is not None and self.top_k < 1:
            raise InvalidArgument("top_k", self.top_k, "give at least 1")
        if len(self.stop) > 4:  # noqa: PLR2004  # TGI's own bound
            raise InvalidArgument("stop", self.stop, "give a list of at most 4 texts")

    def to_json(self) -> JsonObject:
        """Only what is set."""
        return {k: list(v) if k == "stop" else v for k, v in vars(self).items() if v not in (None, ())}

    @classmethod
    def from_json(cls, value: JsonObject) -> Sampling:
        """What `to_json` gave."""
        return cls(**{**value, "stop": tuple(value.get("stop", ()))})


@dataclass(frozen=True)
class ToolExample:
    """A request in a user's words, and the arguments of the call that meets it: what small models learn a tool from."""

    request: str
    arguments: JsonObject


@dataclass(frozen=True)
class ToolSpec:
    """A tool as a model sees it; `parameters` is a JSON schema of an object."""

    name: str
    description: str
    parameters: JsonObject
    examples: tuple[ToolExample, ...] = ()

    def to_json(self) -> JsonObject:
        """A JSON object with name, description and parameters: what OpenAI calls a function."""
        return {"name": self.name, "description": self.description, "parameters": self.parameters}


@dataclass(frozen=True)
class ToolCall:
    """A model's wish to call a tool."""

    name: str
    arguments: JsonObject
    id: str = ""

    def to_json(self) -> JsonObject:
        """As it stands in an assistant message: OpenAI's shape, with the arguments as an object."""
        return {"id": self.id, "type": "function", "function": {"name": self.name, "arguments": self.arguments}}

    @classmethod
    def from_json(cls, value: JsonObject) -> ToolCall:
        """What `to_json` gave."""
        function = value["function"]
        return cls(name=function["name"], arguments=function["arguments"], id=value.get("id", ""))


@dataclass(frozen=True)
class Usage:
    """What a generation cost, in tokens of the core's own tokenizer."""

    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def total(self) -> int:
        """Prompt and completion together: what budgets are charged."""
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True)
class Dropped:
    """What a model was not shown of a conversation that does not fit into its window.

    Attributes:
        strategy: why: `drop_oldest`, `summarise` or `page_out`.
        messages: how many were left out.
        summary: what took their place, if anything did.
        notes: how many recalled memories there was no room for.
    """

    strategy: str
    messages: int
    summary: str = ""
    notes: int = 0


@dataclass(frozen=True)
class Reply:
    """A model's answer: its text and every tool call, never one for the other.

    Attributes:
        context: what the model was not shown of the conversation; None: it saw all of it.
    """

    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str = "stop"
    usage: Usage = field(default_factory=Usage)
    core: str = ""
    context: Dropped | None = None

    @property
    def message(self) -> JsonObject:
        """The reply as an assistant message, to be appended to the conversation."""
        message: JsonObject = {"role": "assistant", "content": self.text}
        if self.tool_calls:
            message["tool_calls"] = [call.to_json() for call in self.tool_calls]
        return message

    def json(self) -> Json:
        """The text read as JSON, for replies to a `schema`.

        Raises:
            ValueError: it is none, as when the reply was cut at `max_tokens`.
        """
        import json  # noqa: PLC0415  # the method's own name hides the module

        return json.loads(self.text)


def check_messages(messages: Json) -> list[JsonObject]:
    """The messages of a chat, or one text as a user's message.

    Raises:
        InvalidArgument: no list of objects with a known role and a content.
    """
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    if not isinstance(messages, list | tuple) or not messages:
        raise InvalidArgument("messages", messages, "give a text, or a list of {'role', 'content'}")
    for message in messages:
        if not isinstance(message, dict) or message.get("role") not in ROLES:
            raise InvalidArgument("message", message, f"give an object with a role of {', '.join(ROLES)}")
        if "content" not in message and "tool_calls" not in message:
            raise InvalidArgument("message", message, "give it a content")
    return list(messages)
