"""Faults of a real HTTP server, and what the kernel sees of them."""

import asyncio
import threading
import time
from uuid import uuid4

import pytest

from aios.errors import EngineFailed, EngineOverloaded, EngineRefused, EngineTimeout, Ignored, Misconfigured
from aios.kernel.chat import Sampling, ToolSpec
from aios.kernel.ports import Claimed, Prompt
from aios.llm.executor import LLMExecutor
from aios.settings import LLMSettings
from aios.testing import FakeSink, FakeToolBox

from .conftest import ask, closing, running

PROMPT = Prompt(text="hi", sampling=Sampling(max_tokens=20))
CHAT = Prompt(messages=[{"role": "user", "content": "hi"}])
CLOCK = ToolSpec("clock", "The time.", {"type": "object", "properties": {}})
NATIVE = Prompt(messages=CHAT.messages, tools=[CLOCK])


FAULTS = [(429, EngineOverloaded), (422, EngineRefused), (424, EngineFailed), (500, EngineFailed)]


@pytest.mark.parametrize("prompt", [PROMPT, CHAT, NATIVE], ids=["complete", "chat", "native"])
@pytest.mark.parametrize(("status", "kind"), FAULTS)
def test_an_error_by_status_has_its_class(scripted, prompt, status, kind):
    scripted.script(rules=[{"status": status, "at_http": True}])
    with pytest.raises(kind):
        ask(scripted.driver(tools="native"), prompt)


@pytest.mark.parametrize("prompt", [PROMPT, CHAT], ids=["complete", "chat"])
@pytest.mark.parametrize(("status", "kind"), FAULTS)
def test_an_error_in_a_stream_with_status_200_has_the_same_class(scripted, prompt, status, kind):
    scripted.script(rules=[{"status": status}])
    with pytest.raises(kind):
        ask(scripted.driver(), prompt)


def test_an_error_in_a_chat_stream_is_told_by_its_text(scripted):
    """There TGI calls every error a 422."""
    scripted.script(rules=[{"status": 429}])
    with pytest.raises(EngineOverloaded):
        ask(scripted.driver(tools="native"), NATIVE)
    with pytest.raises(EngineRefused, match="Input validation error"):
        ask(
            scripted.driver(tools="native"),
            Prompt(messages=CHAT.messages, tools=[CLOCK], sampling=Sampling(max_tokens=10**6)),
        )


@pytest.mark.parametrize("prompt", [PROMPT, NATIVE], ids=["complete", "native"])
@pytest.mark.parametrize("fault", ["error_after_tokens", "cut_after_tokens"])
def test_an_engine_that_breaks_off_in_the_middle_failed(scripted, prompt, fault):
    scripted.script(rules=[{"answer": "word " * 50, fault: 3}])
    with pytest.raises(EngineFailed):
        ask(scripted.driver(tools="native"), prompt)


def test_silence_is_a_timeout(scripted):
    scripted.script(rules=[{"hang": True}])
    begun = time.monotonic()
    with pytest.raises(EngineTimeout, match=r"sent nothing for 0\.3 s"):
        ask(scripted.driver(token_seconds=0.3), PROMPT)
    assert time.monotonic() - begun < 2


def test_a_full_engine_is_overloaded(scripted):
    scripted.script(rules=[{"answer": "word " * 50, "token_seconds": 0.05}])
    driver = scripted.driver()

    async def five():
        async def one():
            return [item async for item in driver.generate(PROMPT)]

        return await asyncio.gather(*(one() for _ in range(5)), return_exceptions=True)

    ended = asyncio.run(closing(driver, five()))
    assert sum(isinstance(e, EngineOverloaded) for e in ended) == 1


def test_nobody_there_is_a_failure_at_once(scripted):
    driver = scripted.driver()
    driver._url = "http://127.0.0.1:1"
    with pytest.raises(EngineFailed):
        ask(driver, PROMPT)


def test_an_unhealthy_engine_says_so(scripted):
    scripted.script(healthy=False)
    driver = scripted.driver()
    assert asyncio.run(closing(driver, driver.healthy())) is False


def test_a_key_is_sent_and_a_wrong_one_named():
    with running("--backend", "scripted", "--api-key", "right") as engine:
        assert ask(engine.driver(api_key="right"), CHAT)[1].text
        with pytest.raises(Misconfigured, match="AIOS_LLM__API_KEY"):
            ask(engine.driver(api_key="wrong"), CHAT)


def test_cancel_reaches_the_engine_within_a_quarter_of_a_second(scripted):
    scripted.script(rules=[{"answer": "word " * 400, "token_seconds": 0.02}])
    sink = FakeSink()
    executor = LLMExecutor(scripted.driver(), sink=sink, toolbox=FakeToolBox({}), settings=LLMSettings())
    call = Claimed(
        id=uuid4(), agent_id=uuid4(), request_id=uuid4(), position=0, pool="llm", op="complete",
        payload={"sampling": {}, "prompt": "hi"}, token=uuid4(), attempt=1, errors=0, priority=5, program="p", tenant="",
        seconds_left=60,
    )  # fmt: skip
    ended = []

    def perform():
        try:
            executor.perform(call)
        except Ignored:
            ended.append("cancelled")

    thread = threading.Thread(target=perform)
    thread.start()
    deadline = time.monotonic() + 10
    while not sink.tokens:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    assert scripted.inside == 1
    begun = time.monotonic()
    executor.cancel(call.id)
    while scripted.inside:
        assert time.monotonic() - begun < 0.25
    thread.join(5)
    assert ended == ["cancelled"]
    executor.close()
