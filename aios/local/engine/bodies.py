"""The request bodies of TGI, with its defaults and its types: what serde would take, and nothing else."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

U32 = Annotated[int, Field(ge=0, lt=1 << 32)]
I32 = Annotated[int, Field(ge=-(1 << 31), lt=1 << 31)]
U64 = Annotated[int, Field(ge=0, lt=1 << 64)]


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class GrammarBody(_Body):
    """A grammar in TGI's own shape; `json_schema` is also read as OpenAI sends it in `response_format`."""

    type: Literal["json", "json_object", "json_schema", "regex"]
    value: object = None
    json_schema: dict[str, object] | None = None


class Parameters(_Body):
    """`parameters` of the native routes."""

    best_of: U32 | None = None
    temperature: float | None = None
    repetition_penalty: float | None = None
    frequency_penalty: float | None = None
    top_k: I32 | None = None
    top_p: float | None = None
    typical_p: float | None = None
    do_sample: bool = False
    max_new_tokens: U32 | None = None
    return_full_text: bool | None = None
    stop: list[str] = []
    truncate: U32 | None = None
    watermark: bool = False
    details: bool = False
    decoder_input_details: bool = False
    seed: U64 | None = None
    top_n_tokens: U32 | None = None
    grammar: GrammarBody | None = None
    adapter_id: str | None = None


class GenerateBody(_Body):
    """`POST /generate` and `/generate_stream`. Without `parameters` TGI samples; with them, only when told."""

    inputs: str
    parameters: Parameters = Parameters(do_sample=True)


class CompatBody(GenerateBody):
    """`POST /`."""

    stream: bool = False


class StateBody(_Body):
    """A saved state: its name, and the digest of its file."""

    id: str
    digest: str


class SliceBody(GenerateBody):
    """`POST /aios/slice`: a native body, and where in its generation the slice begins.

    Attributes:
        generated: ids of the tokens before it.
        state: in which they were evaluated; None with tokens before: they are evaluated again, which is not exact.
        limit: tokens that the whole answer may have, so that too long a one is refused at its first slice.
        keep: save the state at the slice's end, if the generation does not end there.
        drop: states that are deleted first.
    """

    generated: list[U32] = []
    state: StateBody | None = None
    limit: U32 = 0
    keep: bool = True
    drop: list[str] = []


class DropBody(_Body):
    """`POST /aios/states/drop`."""

    states: list[str]


class TextChunk(_Body):
    """A part of a message's content; parts that are no text are refused."""

    type: Literal["text"]
    text: str


class FunctionBody(_Body):
    """A function that a tool offers; OpenAI's `parameters` and TGI's `arguments` both name its schema."""

    name: str
    description: str | None = None
    parameters: dict[str, object] | None = None
    arguments: dict[str, object] | None = None


class ToolBody(_Body):
    """A tool."""

    type: str = "function"
    function: FunctionBody


class CalledFunction(_Body):
    """A function call of an earlier turn; `arguments` as an object or as OpenAI's JSON text."""

    name: str
    arguments: object = None


class CalledTool(_Body):
    """A tool call of an earlier turn."""

    id: str = "0"
    type: str = "function"
    function: CalledFunction


class Message(_Body):
    """One turn of a conversation."""

    role: str
    content: str | list[TextChunk] | None = None
    name: str | None = None
    tool_calls: list[CalledTool] | None = None
    tool_call_id: str | None = None


class NamedFunction(_Body):
    """The name in a `tool_choice`."""

    name: str


class NamedTool(_Body):
    """A `tool_choice` that names a function."""

    function: NamedFunction


class StreamOptions(_Body):
    """What a stream should end with."""

    include_usage: bool = False


class ChatBody(_Body):
    """`POST /v1/chat/completions` and `/chat_tokenize`."""

    messages: list[Message]
    model: str | None = None
    max_tokens: U32 | None = Field(default=None)
    max_completion_tokens: U32 | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: U64 | None = None
    stop: list[str] | str | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logprobs: bool | None = None
    top_logprobs: U32 | None = None
    tools: list[ToolBody] | None = None
    tool_prompt: str | None = None
    tool_choice: str | NamedTool | None = None
    response_format: GrammarBody | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None


class CompletionBody(_Body):
    """`POST /v1/completions`."""

    prompt: str | list[str]
    model: str | None = None
    max_tokens: U32 | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: U64 | None = None
    stop: list[str] | str | None = None
    frequency_penalty: float | None = None
    repetition_penalty: float | None = None
    suffix: str | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None


class TokenizeBody(_Body):
    """`POST /tokenize`."""

    inputs: str
    add_special_tokens: bool = True
