"""The port `TokenCounter`: what is counted is what the core refuses by. Run on the fake and on the real thing."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from aios.errors import EngineRefused
from aios.kernel.chat import Sampling, ToolSpec
from aios.kernel.ports import Prompt, TokenCounter
from aios.testing import FakeDriver
from tests.integration.llm.conftest import ask, closing, running

WINDOW = 256
SAY = [{"role": "user", "content": "How many tokens are these few words, and what comes round them?"}]
TOOL = ToolSpec("adder", "Adds.", {"type": "object", "properties": {"a": {"type": "integer"}}})


@pytest.fixture(scope="module")
def engine():
    with running("--backend", "simulated", "--zero-latency", "--context", str(WINDOW)) as started:
        yield started


@pytest.fixture(params=["fake", "tgi"])
def core(request):
    """Makes a driver; the real one of an engine with the same window."""
    if request.param == "fake":
        return lambda: FakeDriver("w " * 500, window_tokens=WINDOW)
    return request.getfixturevalue("engine").driver


def count(core, prompt):
    counter = core()
    assert isinstance(counter, TokenCounter)
    return asyncio.run(closing(counter, counter.count(prompt)))


class TestTokenCounter:
    def test_a_prompt_that_fits_to_the_last_token_is_taken_and_one_more_is_refused(self, core):
        prompt = Prompt(messages=SAY)
        room = WINDOW - count(core, prompt)
        _, finish = ask(core(), replace(prompt, sampling=Sampling(max_tokens=room)))
        assert finish.usage.completion_tokens <= room
        with pytest.raises(EngineRefused):
            ask(core(), replace(prompt, sampling=Sampling(max_tokens=room + 1)))

    def test_every_message_counts_and_tools_do_too(self, core):
        once, twice = count(core, Prompt(messages=SAY)), count(core, Prompt(messages=SAY + SAY))
        assert once < twice < 2 * once + 16
        assert count(core, Prompt(messages=SAY, tools=[TOOL])) > once

    def test_a_plain_text_is_counted_as_it_stands(self, core):
        assert 3 <= count(core, Prompt(text="one two three")) < count(core, Prompt(text="one two three " * 4))
