import asyncio
import threading
import time
from uuid import uuid4

import pytest

from aios.errors import BrokerUnavailable, EngineOverloaded, EngineRefused, Ignored, SyscallExpired
from aios.kernel.chat import ToolCall
from aios.kernel.ports import Claimed
from aios.kernel.resources.llm import reply
from aios.llm.executor import LLMExecutor
from aios.llm.loop import LoopThread
from aios.settings import LLMSettings
from aios.testing import FakeDriver, FakeSink, FakeToolBox


def claimed(payload=None, *, attempt=1, seconds_left=30.0):
    return Claimed(
        id=uuid4(), agent_id=uuid4(), request_id=uuid4(), position=0, pool="llm", op="chat",
        payload={"sampling": {}} if payload is None else payload, token=uuid4(), attempt=attempt, errors=0, priority=5,
        program="p", tenant="", seconds_left=seconds_left, messages=[{"role": "user", "content": "hi"}],
    )  # fmt: skip


@pytest.fixture
def executors():
    made = []

    def make(driver, sink=None, tools=None, loop=None):
        executor = LLMExecutor(
            driver, sink=sink or FakeSink(), toolbox=FakeToolBox(tools or {}), settings=LLMSettings(), loop=loop
        )
        made.append(executor)
        return executor

    yield make
    for executor in made:
        executor.close()


def wait_until(condition):
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_a_generation_becomes_a_result_and_a_message_that_the_program_decodes(executors):
    done = executors(FakeDriver("two words")).perform(claimed())
    assert done.result == {"finish_reason": "stop", "resume": "rerun"}
    assert done.message == {"role": "assistant", "content": "two words"}
    answer = reply({**done.result, "message": done.message, "usage": vars(done.usage), "core": done.core})
    assert (answer.text, answer.usage.total, answer.core) == ("two words", 4, "fake-model")


def test_tool_calls_stand_in_the_message(executors):
    driver = FakeDriver(ToolCall("clock", {"zone": "UTC"}, "1"))
    done = executors(driver, tools={"clock": lambda zone: zone}).perform(claimed({"tools": ["clock"]}))
    assert reply({**done.result, "message": done.message}).tool_calls == (ToolCall("clock", {"zone": "UTC"}, "1"),)
    assert driver.asked[0].tools[0].name == "clock"


def test_the_stored_text_has_nothing_that_postgres_refuses(executors):
    assert executors(FakeDriver("a\x00b")).perform(claimed()).message["content"] == "a\ufffdb"


def test_every_token_reaches_the_sink_once_and_in_order(executors):
    sink, call = FakeSink(), claimed(attempt=3)
    text = " ".join(f"w{i}" for i in range(300))
    executor = executors(FakeDriver(text), sink)
    outcome = executor.perform(call)
    executor.drain()
    assert (call.id, 3) not in sink.ends  # it is over when it is in the journal
    outcome.after()
    executor.drain()
    assert "".join(t.text for t in sink.tokens[call.id, 3]) == text
    assert [t.index for t in sink.tokens[call.id, 3]] == list(range(1, 600))
    assert sink.ends == {(call.id, 3): "done"}


def test_tokens_are_seen_while_the_answer_is_still_written(executors):
    sink, call = FakeSink(), claimed()
    thread = threading.Thread(
        target=executors(FakeDriver("a b c d e f g h", token_seconds=0.05), sink).perform, args=(call,)
    )
    thread.start()
    wait_until(lambda: sink.tokens.get((call.id, 1)))
    assert thread.is_alive()
    thread.join()


@pytest.mark.parametrize(
    ("error", "end"), [(EngineOverloaded("c", 1.0), "again"), (EngineRefused("c", "k", "t"), "failed")]
)
def test_the_drivers_error_is_the_calls_error_and_ends_the_stream(executors, error, end):
    sink, call = FakeSink(), claimed()
    executor = executors(FakeDriver(error), sink)
    with pytest.raises(type(error)):
        executor.perform(call)
    executor.drain()
    assert sink.ends == {(call.id, 1): end}


def test_a_failing_sink_fails_no_call_and_is_logged_once(executors, caplog):
    sink = FakeSink()
    sink.failure = BrokerUnavailable("here", "down")
    executor = executors(FakeDriver("fine"), sink)
    for _ in range(3):
        outcome = executor.perform(claimed())
        assert outcome.message["content"] == "fine"
        outcome.after()
        executor.drain()
    assert len(caplog.records) == 1


def test_cancel_closes_the_generation_at_once(executors):
    driver, call = FakeDriver("a b c", token_seconds=60), claimed()
    executor = executors(driver)
    raised = []

    def perform():
        with pytest.raises(Ignored) as caught:
            executor.perform(call)
        raised.append(caught)

    thread = threading.Thread(target=perform)
    thread.start()
    wait_until(lambda: driver.open == 1)
    begun = time.monotonic()
    executor.cancel(call.id)
    executor.cancel(uuid4())
    thread.join()
    wait_until(lambda: driver.open == 0)
    assert time.monotonic() - begun < 0.25
    assert raised


def test_a_cancel_that_comes_while_the_generation_begins_is_not_lost(executors):
    class Slow(LoopThread):
        """Gives the generation's future only when it is under way and somebody has cancelled it, or has tried to."""

        def submit(self, coroutine):
            first = not driver.asked
            future = super().submit(coroutine)
            if first:
                wait_until(lambda: driver.open == 1)
                canceller = threading.Thread(target=executor.cancel, args=(call.id,))
                canceller.start()
                canceller.join(0.2)
            return future

    driver, call = FakeDriver("a b c", token_seconds=60), claimed(seconds_left=3)
    executor = executors(driver, loop=Slow())
    with pytest.raises(Ignored):
        executor.perform(call)


def test_a_call_past_its_deadline_is_stopped(executors):
    driver = FakeDriver("a b c", token_seconds=60)
    with pytest.raises(SyscallExpired, match=r"llm\.chat passed its deadline of 0\.05 s"):
        executors(driver).perform(claimed(seconds_left=0.05))
    wait_until(lambda: driver.open == 0)


def test_calls_run_side_by_side(executors):
    class Barrier(FakeDriver):
        """Answers when four generations are under way."""

        four = asyncio.Barrier(4)

        async def generate(self, prompt):
            await self.four.wait()
            async for item in super().generate(prompt):
                yield item

    executor = executors(Barrier("x"))
    done = []
    threads = [threading.Thread(target=lambda: done.append(executor.perform(claimed()))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert len(done) == 4
