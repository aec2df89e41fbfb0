from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import takewhile
from uuid import uuid4

import pytest
import redis

from aios.errors import NotFound
from aios.kernel.ports import Batch
from aios.sdk.stream import Begun, Ended, Said, Silence, TakenBack


def loud(events) -> list:
    return [event for event in events if not isinstance(event, Silence)]


def screen(events) -> str:
    """What a reader has before them in the end."""
    text = ""
    for event in events:
        if isinstance(event, Said):
            text += event.text
        elif isinstance(event, TakenBack):
            text = event.kept
    return text


def wipe(client) -> None:
    with redis.Redis.from_url(client.settings.redis_url) as server:
        server.flushall()


def test_texts_that_were_never_streamed_come_from_the_journal_in_order(client, journal) -> None:
    journal.call(state="done", content="one", attempt=1)
    journal.call(state="done", content="two", attempt=1)
    journal.ends()
    assert loud(client.watch(journal.agent)) == [
        Begun("1", "chat"),
        Said("one"),
        Ended("done"),
        Begun("2", "chat"),
        Said("two"),
        Ended("done"),
    ]
    assert "".join(client.stream(journal.agent)) == "onetwo"


def test_tokens_are_shown_before_the_answer_is_whole(client, journal) -> None:
    call = journal.call(state="running", attempt=1)
    events = client.watch(journal.agent)
    assert next(events) == Begun("1", "chat")
    journal.says(call, "Hel", "lo")
    assert [next(event for event in events if isinstance(event, Said)) for _ in range(2)] == [Said("Hel"), Said("lo")]
    journal.says(call, " there", start=3)
    journal.stops(call)
    journal.done(call, "Hello there")
    journal.ends()
    assert loud(events) == [Said(" there"), Ended("done")]


def test_each_text_comes_once_however_slowly_it_is_committed(client, journal) -> None:
    call = journal.call(state="running", attempt=1)
    with ThreadPoolExecutor(1) as threads:
        followed = threads.submit(lambda: "".join(client.stream(journal.agent)))
        for index in range(1, 30):
            journal.says(call, f"{index} ", start=index)
        journal.stops(call)
        second = journal.call()
        journal.done(call, "".join(f"{index} " for index in range(1, 30)))
        journal.done(second, "end")
        journal.ends()
        assert followed.result(20) == "".join(f"{index} " for index in range(1, 30)) + "end"


def test_a_second_attempt_that_differs_takes_back_what_no_longer_stands(client, journal) -> None:
    call = journal.call(state="running", attempt=1)
    events = client.watch(journal.agent)
    journal.says(call, "Hello", " world")
    shown = [next(event for event in events if isinstance(event, Said)) for _ in range(2)]
    assert shown == [Said("Hello"), Said(" world")]
    journal.says(call, "Hello", " there", attempt=2)
    journal.stops(call, attempt=2)
    journal.done(call, "Hello there", attempt=2)
    journal.ends()
    assert loud(events) == [TakenBack("Hello"), Said(" there"), Ended("done")]


def test_the_plain_stream_gives_such_an_answer_again_after_a_line_break(client, journal) -> None:
    call = journal.call(state="running", attempt=1)
    texts = client.stream(journal.agent)
    journal.says(call, "Hello", " world")
    assert [next(texts), next(texts)] == ["Hello", " world"]
    journal.done(call, "Hello there", attempt=2)
    journal.ends()
    assert "".join(texts) == "\nHello there"


def test_when_redis_loses_the_stream_the_journal_gives_the_rest(client, journal) -> None:
    call = journal.call(state="running", attempt=1)
    texts = client.stream(journal.agent)
    journal.says(call, "Hel", "lo")
    assert next(texts) + next(texts) == "Hello"
    with redis.Redis.from_url(client.settings.redis_url) as server:
        server.flushall()
    journal.done(call, "Hello there")
    journal.ends()
    assert "".join(texts) == " there"


def test_without_redis_everything_comes_from_the_journal(client, journal) -> None:
    journal.call(state="done", content="one", attempt=1)
    journal.ends()
    unreachable = client.settings.model_copy(update={"stream_url": "redis://127.0.0.1:1/0"})
    with type(client)(unreachable) as other:
        assert list(other.stream(journal.agent)) == ["one"]


def test_what_a_fenced_worker_streamed_to_its_end_is_not_taken_for_the_answer(client, journal) -> None:
    call = journal.call(state="running", attempt=2)
    journal.says(call, "stale", attempt=1)
    journal.stops(call, attempt=1)
    texts = client.stream(journal.agent)
    assert next(texts) == "stale"
    journal.done(call, "fresh", attempt=2)
    journal.ends()
    assert "".join(texts) == "\nfresh"


def test_a_failure_ends_without_a_text(client, journal) -> None:
    call = journal.call(state="running", attempt=1)
    journal.says(call, "Hel")
    journal.stops(call, "failed")
    journal.failed(call)
    journal.ends("failed")
    assert loud(client.watch(journal.agent)) == [Begun("1", "chat"), Said("Hel"), Ended("failed")]


def test_who_does_not_wait_gets_what_there_is(client, journal) -> None:
    journal.call(state="done", content="one", attempt=1)
    call = journal.call(state="running", attempt=1)
    journal.says(call, "tw")
    seen = list(client.watch(journal.agent, wait=False))
    assert seen == [Begun("1", "chat"), Said("one"), Ended("done"), Begun("2", "chat"), Said("tw")]


def test_silence_is_told_so_that_a_caller_can_look_at_the_clock(client, journal) -> None:
    events = client.watch(journal.agent)
    assert next(events) == Silence()
    journal.call()
    assert list(takewhile(lambda event: event != Begun("1", "chat"), events)) is not None
    assert next(events) == Silence()


def test_an_agent_that_is_not_there_is_an_error(client) -> None:
    with pytest.raises(NotFound):
        list(client.stream(str(uuid4())))


def test_a_wipe_between_two_attempts_doubles_no_text(client, journal) -> None:
    call = journal.call(state="running", attempt=1)
    events = client.watch(journal.agent)
    journal.says(call, "Hel", "lo")
    shown = [next(event for event in events if isinstance(event, Said)) for _ in range(2)]
    wipe(client)
    next(event for event in events if isinstance(event, Silence))
    journal.says(call, "Hel", "lo", " there", attempt=2)
    journal.stops(call, attempt=2)
    journal.done(call, "Hello there", attempt=2)
    journal.ends()
    assert screen([*shown, *events]) == "Hello there"


def test_tokens_that_were_lost_before_the_end_come_from_the_journal(client, journal, streams) -> None:
    call = journal.call(state="running", attempt=1)
    journal.says(call, "Hel", "lo")
    streams.send([Batch(call, 1, (), "done", last=3)])  # the third was not sent: Redis did not answer
    journal.done(call, "Hello there")
    journal.ends()
    assert screen(client.watch(journal.agent)) == "Hello there"


def test_an_end_that_alone_is_left_hides_no_answer(client, journal, streams) -> None:
    call = journal.call(state="running", attempt=1)
    journal.says(call, "Hel", "lo")
    wipe(client)
    streams.send([Batch(call, 1, (), "done", last=2)])
    journal.done(call, "Hello")
    journal.ends()
    assert screen(client.watch(journal.agent)) == "Hello"
