"""What every driver does: the fake, and the ones for TGI and for OpenAI's interface in front of an engine's process."""

import asyncio
import time
from contextlib import aclosing

import pytest

from aios.errors import EngineOverloaded, StateLost
from aios.kernel.chat import Sampling, ToolCall, ToolSpec
from aios.kernel.ports import Finish, Prompt, Token
from aios.kernel.slices import Partial, Slicing
from aios.llm.openai import OpenAIDriver
from aios.settings import LLMSettings
from aios.testing import FakeDriver

from .conftest import ask, closing

TOOL = ToolSpec(
    "clock", "The time.", {"type": "object", "properties": {"zone": {"type": "string"}}, "required": ["zone"]}
)
HELLO = Prompt(messages=[{"role": "user", "content": "Hello"}])


def fake(said):
    return FakeDriver(said)


def tgi(scripted):
    def make(said):
        if isinstance(said, ToolCall):
            rule = {"json": {"name": said.name, "arguments": said.arguments}}
        elif isinstance(said, EngineOverloaded):
            rule = {"status": 429, "retry_after_seconds": int(said.args[1])}
        else:
            rule = {"answer": said}
        scripted.script(rules=[rule])
        return scripted.driver()

    return make


def openai(scripted):
    def make(said):
        if isinstance(said, ToolCall):
            rule = {"tool": {"name": said.name, "arguments": said.arguments}}
        elif isinstance(said, EngineOverloaded):
            rule = {"status": 429, "retry_after_seconds": int(said.args[1])}
        else:
            rule = {"answer": said}
        scripted.script(rules=[rule])
        return OpenAIDriver(url=scripted.url, settings=LLMSettings(), name="engine")

    return make


@pytest.fixture(params=["fake", "tgi", "openai"])
def core(request):
    """Makes a driver whose core says what it is told."""
    if request.param == "fake":
        return fake
    return {"tgi": tgi, "openai": openai}[request.param](request.getfixturevalue("scripted"))


class TestDriver:
    def test_tokens_come_in_order_and_then_one_finish(self, core):
        tokens, finish = ask(core("one two three"), HELLO)
        assert all(isinstance(t, Token) for t in tokens)
        assert [t.index for t in tokens] == list(range(1, len(tokens) + 1))
        assert "".join(t.text for t in tokens if not t.special) == finish.text == "one two three"
        assert finish.token_ids in (tuple(t.id for t in tokens), ()), "ids are told of all tokens or of none"
        assert finish.reason == "stop"

    def test_usage_counts_both_sides(self, core):
        tokens, finish = ask(core("one two three"), HELLO)
        assert 0 < len(tokens) <= finish.usage.completion_tokens, "a piece of text is one token or more"
        assert finish.usage.prompt_tokens > 0

    def test_an_answer_is_cut_at_max_tokens(self, core):
        prompt = Prompt(messages=HELLO.messages, sampling=Sampling(max_tokens=2))
        tokens, finish = ask(core("one two three"), prompt)
        assert (finish.usage.completion_tokens, finish.reason) == (2, "length")
        assert len(tokens) <= 2

    def test_a_text_is_continued_without_a_template(self, core):
        assert ask(core("upon a time"), Prompt(text="Once"))[1].text == "upon a time"

    def test_a_tool_call_is_no_text(self, core):
        call = ToolCall("clock", {"zone": "UTC"}, "call_1")
        _, finish = ask(core(call), Prompt(messages=HELLO.messages, tools=[TOOL]))
        (made,) = finish.tool_calls
        assert (made.name, made.arguments, finish.text) == (call.name, call.arguments, "")
        assert made.id

    def test_a_reply_fits_its_schema(self, core):
        schema = {"type": "object", "properties": {"n": {"const": 7}}, "required": ["n"]}
        _, finish = ask(core('{"n": 7}'), Prompt(messages=HELLO.messages, schema=schema))
        assert finish.text == '{"n": 7}'

    def test_an_overloaded_core_says_when_to_come_back(self, core):
        with pytest.raises(EngineOverloaded) as caught:
            ask(core(EngineOverloaded("x", 3.0)), HELLO)
        assert caught.value.args[1] == 3.0

    def test_what_is_to_go_on_from_a_state_is_refused_where_none_are_kept(self, core):
        done = Partial(1, (Token(1, 1, "one"),), {"id": "x", "digest": "x", "core": "other"})
        begins, goes_on = (Prompt(text="Hello", slicing=Slicing(1, 1, state)) for state in (None, done))
        assert ask(core("one two three"), begins)[1].text == "one two three"
        with pytest.raises(StateLost):
            ask(core("one two three"), goes_on)

    def test_a_generation_can_be_left_after_its_first_token(self, core):
        driver = core("one two three")

        async def first():
            async with aclosing(driver.generate(HELLO)) as items:
                return await anext(items)

        assert asyncio.run(closing(driver, first())).index == 1

    def test_many_generations_run_side_by_side(self, core):
        driver = core("one two three")

        async def four():
            async def one():
                return [item async for item in driver.generate(HELLO)][-1]

            return await asyncio.gather(*(one() for _ in range(4)))

        finishes = asyncio.run(closing(driver, four()))
        assert [f.text for f in finishes] == ["one two three"] * 4
        assert all(isinstance(f, Finish) for f in finishes)

    def test_it_tells_its_model_and_its_health(self, core):
        driver = core("x")

        async def both():
            return await driver.info(), await driver.healthy()

        info, healthy = asyncio.run(closing(driver, both()))
        assert info.model
        assert info.max_total_tokens > 0
        assert info.max_concurrent > 0
        assert healthy


def test_a_core_that_is_not_there_is_not_healthy(scripted):
    driver = scripted.driver()
    driver._url = "http://127.0.0.1:1"
    begun = time.monotonic()
    assert asyncio.run(closing(driver, driver.healthy())) is False
    assert time.monotonic() - begun < 3
