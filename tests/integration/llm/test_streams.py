"""Token streams on a real Valkey: one writer per attempt, readers that come, go and come back."""

import threading
import time
from uuid import uuid4

import pytest
import redis

from aios.errors import BrokerUnavailable
from aios.kernel.ports import Batch, Token
from aios.llm.follow import End, Follower, Piece, Rewind
from aios.llm.streams import TokenStreams, key
from aios.settings import LLMSettings
from aios.testing import FakeSink


@pytest.fixture
def streams(services):
    writer = TokenStreams(services.redis_url, settings=LLMSettings(stream_tokens=1000, stream_seconds=100))
    yield writer
    writer.close()


@pytest.fixture
def follower(services):
    reader = Follower(services.redis_url)
    yield reader
    reader.close()


@pytest.fixture
def client(services):
    with redis.Redis.from_url(services.redis_url, decode_responses=True) as connected:
        yield connected


def tokens(text, start=1):
    return [Token(i, ord(c), c) for i, c in enumerate(text, start=start)]


def shown(found):
    text = ""
    for event in found:
        text = text[: event.characters] if isinstance(event, Rewind) else text + getattr(event, "text", "")
    return text


class TestSink:
    """What every sink does, as far as it can be seen from outside."""

    @pytest.fixture(params=["fake", "redis"])
    def sink(self, request):
        """A sink, and what it shows of an attempt."""
        if request.param == "fake":
            fake = FakeSink()
            return fake, lambda syscall, attempt: "".join(t.text for t in fake.tokens[syscall, attempt])
        follower = request.getfixturevalue("follower")
        return request.getfixturevalue("streams"), lambda syscall, _: shown(follower.follow(syscall))

    def test_tokens_are_shown_in_order(self, sink):
        write, read = sink
        syscall = uuid4()
        write.send([Batch(syscall, 1, tokens("ab"))])
        write.send([Batch(syscall, 1, tokens("cd", start=3))])
        write.send([Batch(syscall, 1, tokens("e", start=5), "done")])
        assert read(syscall, 1) == "abcde"

    def test_a_stale_attempt_adds_nothing(self, sink):
        write, read = sink
        syscall = uuid4()
        write.send([Batch(syscall, 1, tokens("ab"))])
        write.send([Batch(syscall, 2, tokens("xy"))])
        write.send([Batch(syscall, 1, tokens("cd", start=3))])
        write.send([Batch(syscall, 2, (), "done")])
        assert read(syscall, 2) == "xy"


def test_half_a_character_stops_no_stream(streams, follower):
    syscall, other = uuid4(), uuid4()
    half = [Token(1, 1, "a"), Token(2, 2, "\ud83d"), Token(3, 3, "\x00b")]
    streams.send([Batch(syscall, 1, half, "done"), Batch(other, 1, tokens("whole"), "done")])
    assert shown(follower.follow(syscall)) == "a?\x00b"
    assert shown(follower.follow(other)) == "whole"


def test_a_reader_sees_tokens_as_they_come_and_an_end(streams, follower):
    syscall, seen, found = uuid4(), threading.Event(), []

    def read():
        for event in follower.follow(syscall):
            found.append(event)
            seen.set()

    thread = threading.Thread(target=read)
    thread.start()
    streams.send([Batch(syscall, 1, tokens("a"))])
    assert seen.wait(5)
    streams.send([Batch(syscall, 1, tokens("b", start=2), "done")])
    thread.join(5)
    assert shown(found) == "ab"
    assert isinstance(found[-1], End)


def test_a_reader_that_lost_its_connection_goes_on_where_it_was(streams, follower):
    syscall = uuid4()
    streams.send([Batch(syscall, 1, tokens("abcdef"))])
    begun = follower.follow(syscall)
    first = [next(begun) for _ in range(4)]
    streams.send([Batch(syscall, 2, tokens("abcXYZ"))])
    streams.send([Batch(syscall, 2, (), "done")])
    rest = list(follower.follow(syscall, last_id=str(first[-1].at)))
    assert shown(first) == "abcd"
    assert shown(first + rest) == "abcXYZ"


def test_a_reader_of_nothing_asks_whether_to_stay(follower):
    asked = []
    begun = time.monotonic()
    assert list(follower.follow(uuid4(), still=lambda: asked.append(1) or len(asked) < 3, pause_seconds=0.05)) == []
    assert len(asked) == 3
    assert time.monotonic() - begun < 2


def test_a_wiped_stream_is_lost_not_wrong(streams, follower, client):
    syscall = uuid4()
    streams.send([Batch(syscall, 1, tokens("abc"))])
    begun = follower.follow(syscall)
    first = [next(begun) for _ in range(3)]
    client.delete(key(syscall))
    streams.send([Batch(syscall, 1, tokens("ef", start=5))])
    found = first + list(begun)
    assert [type(e) for e in found] == [Piece, Piece, Piece, End]
    assert found[-1].reason == "lost"


def test_streams_are_bounded_and_expire(streams, client):
    syscall = uuid4()
    for start in range(1, 3001):
        streams.send([Batch(syscall, 1, tokens("x", start=start))])
    assert client.xlen(key(syscall)) < 1500
    assert 60 < client.ttl(key(syscall)) <= 100
    streams.send([Batch(syscall, 1, (), "failed")])
    assert 60 < client.ttl(key(syscall)) <= 100
    streams.send([Batch(syscall, 2, (), "done")])
    assert 0 < client.ttl(key(syscall)) <= 60


def test_a_dead_redis_is_told_quickly_and_without_its_password():
    writer = TokenStreams("redis://:secret@127.0.0.1:1/0", settings=LLMSettings())
    begun = time.monotonic()
    with pytest.raises(BrokerUnavailable) as caught:
        writer.send([Batch(uuid4(), 1, tokens("a"))])
    assert time.monotonic() - begun < 3
    assert "127.0.0.1:1" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_full_redis_is_told(services, streams, client):
    before = client.config_get("maxmemory")["maxmemory"]
    client.config_set("maxmemory", 1)
    try:
        with pytest.raises(BrokerUnavailable, match="maxmemory"):
            streams.send([Batch(uuid4(), 1, tokens("a"))])
    finally:
        client.config_set("maxmemory", before)
