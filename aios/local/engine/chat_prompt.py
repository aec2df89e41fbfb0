"""From a chat's body to what is generated: prompt, parameters, tools."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from aios.local.engine import tools
from aios.local.engine.bodies import GrammarBody, Parameters
from aios.local.engine.refusal import Refusal

if TYPE_CHECKING:
    from aios.local.engine.backend import Backend
    from aios.local.engine.bodies import ChatBody, Message

# TGI maps OpenAI's presence penalty to its own repetition penalty by this shift.
_PRESENCE_SHIFT = 2.0


class Prepared(NamedTuple):
    """A chat ready to be generated; `plain` is the prompt without tools, for when the model chooses none."""

    prompt: str
    plain: str
    parameters: Parameters
    with_tools: bool


async def prepare(body: ChatBody, *, backend: Backend) -> Prepared:
    """Prompt and parameters of a chat.

    Raises:
        Refusal: nothing is said, or tools and response format do not go together.
    """
    if not body.messages:
        raise Refusal("template_error", "Template error: the conversation is empty")
    offered = tools.offer(body)
    turns = [{"role": message.role, "content": _text(message)} for message in body.messages]
    prompt = plain = await backend.template(turns)
    grammar = body.response_format
    if offered is not None:
        turns[-1] = turns[-1] | {"content": turns[-1]["content"] + offered.prompt}
        prompt = await backend.template(turns)
        grammar = GrammarBody(type="json", value=offered.schema)
    return Prepared(prompt, plain, _parameters(body, grammar), offered is not None)


def _text(message: Message) -> str:
    """A message as text: the templates of small models know nothing else."""
    if message.content is None:
        calls = [{"name": c.function.name, "arguments": c.function.arguments} for c in message.tool_calls or []]
        return json.dumps(calls, ensure_ascii=False) if calls else ""
    if isinstance(message.content, str):
        return message.content
    return "".join(chunk.text for chunk in message.content)


def _parameters(body: ChatBody, grammar: GrammarBody | None) -> Parameters:
    """TGI's mapping: a chat samples unless its temperature is 0."""
    greedy = body.temperature == 0
    return Parameters(
        do_sample=not greedy,
        temperature=None if greedy else body.temperature,
        top_p=body.top_p,
        seed=body.seed,
        stop=[body.stop] if isinstance(body.stop, str) else body.stop or [],
        frequency_penalty=body.frequency_penalty,
        repetition_penalty=None if body.presence_penalty is None else body.presence_penalty + _PRESENCE_SHIFT,
        max_new_tokens=body.max_completion_tokens if body.max_tokens is None else body.max_tokens,
        top_n_tokens=body.top_logprobs if body.logprobs else None,
        grammar=grammar,
    )
