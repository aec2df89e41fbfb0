"""Between a prompt's tools and a core: names are spoken as models may, and heard as what they stand for. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from aios.kernel.spoken import message_as_spoken, spoken

if TYPE_CHECKING:
    from aios.kernel.ports import Finish, Prompt


def as_spoken(prompt: Prompt) -> Prompt:
    """The prompt with its tools' names as models may speak them."""
    said = spoken(tool.name for tool in prompt.tools)
    if all(name == other for name, other in said.items()):
        return prompt
    tools = [replace(tool, name=said[tool.name]) for tool in prompt.tools]
    return replace(prompt, tools=tools, messages=[message_as_spoken(message, said) for message in prompt.messages])


def as_meant(finish: Finish, prompt: Prompt) -> Finish:
    """What a core answered to the spoken prompt, with the names that the original `prompt` has."""
    meant = {other: name for name, other in spoken(tool.name for tool in prompt.tools).items()}
    calls = tuple(replace(call, name=meant.get(call.name, call.name)) for call in finish.tool_calls)
    return finish if calls == finish.tool_calls else replace(finish, tool_calls=calls)
