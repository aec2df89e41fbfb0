"""Tools with dots in their names reach a core under names that it accepts, and come back as themselves."""

from __future__ import annotations

import asyncio

from aios.kernel.chat import ToolCall, ToolSpec
from aios.kernel.ports import Prompt
from aios.llm.names import as_meant, as_spoken
from aios.testing import FakeDriver


def prompt(*names):
    return Prompt(
        messages=[{"role": "user", "content": "x"}],
        tools=[ToolSpec(name, name, {"type": "object", "properties": {}}) for name in names],
    )


async def answered(driver, asked):
    async for token in driver.generate(as_spoken(asked)):
        last = token
    return as_meant(last, asked)


def test_a_dotted_tool_is_offered_without_dots_and_heard_as_itself():
    driver = FakeDriver(ToolCall("web_fetch", {"url": "x"}, "c1"))
    asked = prompt("web.fetch", "calculator")
    finish = asyncio.run(answered(driver, asked))
    assert [tool.name for tool in driver.asked[0].tools] == ["web_fetch", "calculator"]
    assert finish.tool_calls == (ToolCall("web.fetch", {"url": "x"}, "c1"),)


def test_a_prompt_whose_names_can_be_spoken_is_left_as_it_is():
    asked = prompt("calculator")
    assert as_spoken(asked) is asked
