import asyncio

import pytest

from aios.local.engine.refusal import Cut
from aios.local.engine.stream import EventStream, Listening


def client(*, leaves_after=None):
    """What ASGI gives an application: a `receive` that tells when the client leaves, and a `send` that keeps all."""
    sent = []

    async def receive():
        await asyncio.sleep(1000 if leaves_after is None else leaves_after)
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    return receive, send, sent


def test_a_block_is_left_when_the_client_leaves_and_the_task_lives_on():
    async def scenario():
        receive, _, _ = client(leaves_after=0.01)
        async with Listening(receive) as listening:
            await asyncio.sleep(1000)
        await asyncio.sleep(0)
        return listening.left

    assert asyncio.run(asyncio.wait_for(scenario(), 2))


def test_a_cancellation_from_elsewhere_is_not_swallowed():
    async def scenario():
        receive, _, _ = client()
        async with Listening(receive):
            await asyncio.sleep(1000)

    async def cancelled():
        task = asyncio.create_task(scenario())
        await asyncio.sleep(0.01)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())


def answer(frames, *, leaves_after=None, **more):
    receive, send, sent = client(leaves_after=leaves_after)
    asyncio.run(asyncio.wait_for(EventStream(frames, headers={}, **more)({}, receive, send), 5))
    return sent


def test_frames_are_sent_as_they_come_and_then_the_end():
    async def frames():
        yield b"a"
        yield b"b"

    sent = answer(frames())
    assert [m.get("body") for m in sent] == [None, b"a", b"b", b""]
    assert [m.get("more_body") for m in sent] == [None, True, True, False]


def test_silence_is_filled_with_comments():
    async def frames():
        yield b"a"
        await asyncio.sleep(0.2)
        yield b"b"

    bodies = [m.get("body") for m in answer(frames(), silence_seconds=0.02)]
    assert b": \n\n" in bodies[bodies.index(b"a") : bodies.index(b"b")]


def test_a_cut_leaves_the_answer_without_its_end():
    async def frames():
        yield b"a"
        raise Cut

    assert answer(frames())[-1] == {"type": "http.response.body", "body": b"a", "more_body": True}


def test_frames_are_closed_when_the_client_leaves():
    closed = []

    async def frames():
        try:
            yield b"a"
            await asyncio.sleep(1000)
        finally:
            closed.append(True)

    answer(frames(), leaves_after=0.02)
    assert closed == [True]
