"""What every driver does, on a real TGI server: `AIOS_LIVE_TGI_URL=http://gpu:8080 python -m pytest -m live_tgi`.

As the contract tests (`test_driver_contract.py`), less what only a core that says what it is told can show.
`AIOS_LIVE_TGI_KEY` is the server's API key, if it wants one.
"""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import aclosing

import pytest

from aios.errors import EngineRefused
from aios.kernel.chat import Sampling, ToolSpec
from aios.kernel.ports import Finish, Prompt, Token
from aios.llm.tgi import TGIDriver
from aios.settings import LLMSettings

from .conftest import ask, closing

URL = os.environ.get("AIOS_LIVE_TGI_URL", "")
pytestmark = [
    pytest.mark.live_tgi,
    pytest.mark.skipif(not URL, reason="needs a real TGI server: set AIOS_LIVE_TGI_URL"),
]

SHORT = Sampling(max_tokens=16)
GREETING = [{"role": "user", "content": "Say hello."}]
HELLO = Prompt(messages=GREETING, sampling=SHORT)
CLOCK = ToolSpec(
    "clock", "The time in a zone.", {"type": "object", "properties": {"zone": {"type": "string"}}, "required": ["zone"]}
)
ANSWER = {
    "type": "object",
    "properties": {"right": {"type": "boolean"}, "n": {"enum": [1, 2, 3]}},
    "required": ["right", "n"],
    "additionalProperties": False,
}


@pytest.fixture
def make():
    """A new driver of the server; settings may differ."""

    def made(**settings):
        key = os.environ.get("AIOS_LIVE_TGI_KEY", "")
        return TGIDriver(url=URL, settings=LLMSettings(api_key=key, **settings), name="live")

    return made


def test_tokens_come_in_order_and_then_one_finish(make):
    tokens, finish = ask(make(), HELLO)
    assert all(isinstance(token, Token) for token in tokens)
    assert [token.index for token in tokens] == list(range(1, len(tokens) + 1))
    assert "".join(token.text for token in tokens if not token.special) == finish.text
    assert finish.text.strip()
    assert finish.token_ids in (tuple(token.id for token in tokens), ())
    assert 0 < len(tokens) <= finish.usage.completion_tokens <= SHORT.max_tokens


def test_a_prompt_is_counted_as_the_server_counts_it(make):
    driver = make()

    async def both():
        counted = await driver.count(HELLO)
        return counted, [item async for item in driver.generate(HELLO)][-1]

    counted, finish = asyncio.run(closing(driver, both()))
    assert counted == finish.usage.prompt_tokens


def test_an_answer_is_cut_at_max_tokens(make):
    _, finish = ask(make(), Prompt(messages=GREETING, sampling=Sampling(max_tokens=2)))
    assert (finish.usage.completion_tokens, finish.reason) == (2, "length")


def test_the_same_seed_gives_the_same_text(make):
    sampling = Sampling(max_tokens=12, temperature=0.9, seed=7)
    texts = {ask(make(), Prompt(text="Once upon a time", sampling=sampling))[1].text for _ in range(2)}
    assert len(texts) == 1


def test_a_text_is_continued_up_to_a_stop(make):
    sampling = Sampling(max_tokens=40, stop=("6",))
    _, finish = ask(make(), Prompt(text="1, 2, 3, 4, 5,", sampling=sampling))
    assert finish.reason == "length" or "7" not in finish.text


@pytest.mark.parametrize("tools", ["constrained", "native"])
def test_with_tools_it_calls_one_of_them_or_says_something(make, tools):
    question = [{"role": "user", "content": "What time is it in Tokyo? Use the clock."}]
    prompt = Prompt(messages=question, tools=[CLOCK], sampling=Sampling(max_tokens=200))
    _, finish = ask(make(tools=tools), prompt)
    assert finish.tool_calls or finish.text
    for call in finish.tool_calls:
        assert (call.name, list(call.arguments)) == ("clock", ["zone"])
        assert call.id


def test_a_reply_fits_its_schema(make):
    _, finish = ask(make(), Prompt(messages=GREETING, schema=ANSWER, sampling=Sampling(max_tokens=60)))
    assert json.loads(finish.text).keys() == {"right", "n"}


def test_a_prompt_that_does_not_fit_is_refused_for_good(make):
    driver = make()
    longest = asyncio.run(closing(driver, driver.info())).max_total_tokens
    with pytest.raises(EngineRefused):
        ask(make(), Prompt(text="word " * (longest + 10), sampling=SHORT))


def test_a_generation_can_be_left_and_others_go_on(make):
    driver = make()

    async def leave():
        async with aclosing(driver.generate(Prompt(messages=GREETING, sampling=Sampling(max_tokens=200)))) as items:
            return (await anext(items)).index

    async def one():
        return [item async for item in driver.generate(HELLO)][-1]

    async def all_of_them():
        return await asyncio.gather(leave(), *(one() for _ in range(4)))

    first, *finishes = asyncio.run(closing(driver, all_of_them()))
    assert first == 1
    assert all(isinstance(finish, Finish) for finish in finishes)


def test_it_tells_its_model_and_its_health(make):
    driver = make()

    async def both():
        return await driver.info(), await driver.healthy()

    info, healthy = asyncio.run(closing(driver, both()))
    assert info.model
    assert info.max_total_tokens > 0
    assert info.max_concurrent > 0
    assert healthy
