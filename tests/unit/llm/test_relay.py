"""Tokens of many calls leave together, each stream's in order and before its end, whatever the sink does."""

import threading
import time
from uuid import uuid4

import pytest

from aios.errors import BrokerUnavailable
from aios.kernel.ports import Token
from aios.llm.loop import LoopThread
from aios.llm.relay import Relay
from aios.testing import FakeSink


class Counting(FakeSink):
    """Tells how many round trips there were; each waits for `free`."""

    def __init__(self):
        super().__init__()
        self.sizes = []
        self.free = threading.Event()
        self.free.set()

    def send(self, batches):
        assert self.free.wait(5)
        self.sizes.append(len(batches))
        super().send(batches)


@pytest.fixture
def sink():
    return Counting()


@pytest.fixture
def relay(sink):
    made = Relay(sink)
    yield made
    made.close()


@pytest.fixture
def loop():
    made = LoopThread()
    yield made
    made.close()


def said(feeds, numbers):
    """On the event loop: a token of every feed, then the next of every feed."""

    async def say():
        for number in numbers:
            for feed in feeds:
                feed.add(Token(number, number, f"{number} "))

    return say()


def arrived(sink, call):
    return [token.index for token in sink.tokens.get((call, 1), [])]


def wait_until(condition):
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


def test_tokens_of_many_calls_leave_in_one_round_trip(relay, sink, loop):
    calls = [uuid4() for _ in range(50)]
    loop.run(said([relay.feed(call, 1) for call in calls], range(1, 4)))
    wait_until(lambda: len(sink.tokens) == 50)
    assert sink.sizes == [50]
    assert all(arrived(sink, call) == [1, 2, 3] for call in calls)


def test_what_comes_while_a_slow_sink_is_busy_leaves_together(relay, sink, loop):
    calls = [uuid4() for _ in range(20)]
    feeds = [relay.feed(call, 1) for call in calls]
    sink.free.clear()
    loop.run(said(feeds[:1], [1]))
    relay.leaves_now(relay.feed(uuid4(), 1), "done")  # under way, as long as the sink is not free
    time.sleep(0.05)
    for feed in feeds[1:]:
        loop.run(said([feed], [1]))
        feed.end("done")
    sink.free.set()
    relay.drain()
    assert sum(sink.sizes) == 21
    assert len(sink.sizes) <= 3
    assert all(arrived(sink, call) == [1] for call in calls)


def test_an_end_never_overtakes_its_tokens(relay, sink, loop):
    calls = [uuid4() for _ in range(40)]
    seen = {}
    plain = FakeSink.send

    def send(self, batches):
        for batch in batches:
            if batch.end:
                seen[batch.syscall] = len(self.tokens.get((batch.syscall, 1), [])) + len(batch.tokens)
            plain(self, [batch])

    sink.send = send.__get__(sink)

    def talk(call):
        feed = relay.feed(call, 1)
        for number in range(1, 30):
            loop.run(said([feed], [number]))
            time.sleep(0.001)
        feed.end("done")

    threads = [threading.Thread(target=talk, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    relay.drain()
    assert seen == dict.fromkeys(calls, 29)
    assert all(arrived(sink, call) == list(range(1, 30)) for call in calls)


@pytest.mark.parametrize("failure", [BrokerUnavailable("here", "down"), ValueError("a bug of the sink's")])
def test_a_sink_that_fails_is_left_alone_for_a_while_and_served_again(relay, sink, caplog, failure):
    sink.failure = failure
    for _ in range(3):
        relay.feed(uuid4(), 1).end("done")
        relay.drain()
    assert len(sink.sizes) == 1
    assert [record.message for record in caplog.records] == [f"tokens are not streamed for now: {sink.failure}"]
    sink.failure, relay._quiet_until, call = None, 0.0, uuid4()  # as if the pause were over
    relay.feed(call, 1).end("done")
    relay.drain()
    assert sink.ends == {(call, 1): "done"}


def test_closing_sends_what_is_on_its_way(sink):
    relay, call = Relay(sink), uuid4()
    relay.feed(call, 1).end("done")
    relay.close()
    assert sink.ends == {(call, 1): "done"}
    relay.feed(uuid4(), 1).end("done")  # a thread that was late: nobody sends it any more
    relay.close()
    assert len(sink.ends) == 1


def test_an_end_says_behind_which_token_it_comes(relay, loop):
    feed = relay.feed(uuid4(), 1)
    loop.run(said([feed], [1, 2, 3]))
    first = feed.take()
    assert ([token.index for token in first.tokens], first.last) == ([1, 2, 3], 3)
    assert feed.take("done")[2:] == ([], "done", 3)
